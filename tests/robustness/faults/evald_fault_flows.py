"""A flow that does harm. Servers of the suite find it by its entry point, as any other plugin."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any, ClassVar

from evald.flows.flow import Flow, FlowContext

MANY = 1500
"""Processes after which a flow stops by itself, so that a machine lives on when nobody ends it."""


BOMB = "i=0; while [ $i -lt $1 ]; do setsid sleep 600 & i=$((i + 1)); done; wait"
CHAIN = '[ $1 -le 0 ] || sh -c "$0" "$0" $(($1 - 1)); sleep 600'
"""One process starts all others, or each starts the next. They are small, so that there are many
before anybody looks."""


class Faults(Flow):
    """The type of the task says what it does."""

    types = ("fault",)
    targets: ClassVar = {"*": ("rows",)}

    def check(self, config: Any) -> None:
        pass

    async def run(self, context: FlowContext) -> dict[str, Any]:
        (task,) = context.config["tasks"].values()
        did = getattr(self, task["type"])(context)
        if asyncio.iscoroutine(did):
            await did
        return {"tasks": {}, "groups": {}}

    async def pause(self, context: FlowContext) -> None:
        await asyncio.sleep(context.config["params"]["extra"]["seconds"])

    def stubborn_pause(self, context: FlowContext) -> None:
        """Ends by itself, and not before."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ends = time.monotonic() + context.config["params"]["extra"]["seconds"]
        while (left := ends - time.monotonic()) > 0:
            time.sleep(left)

    def stubborn(self, context: FlowContext) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(600)

    def endless(self, context: FlowContext) -> None:
        while True:
            time.sleep(1)

    def memory(self, context: FlowContext) -> None:
        held = []
        while True:
            held.append(os.urandom(2**23))

    def segfault(self, context: FlowContext) -> None:
        ctypes.string_at(0)

    def shout(self, context: FlowContext) -> None:
        while True:
            sys.stdout.write("line\n" * 10000)

    def fork_bomb(self, context: FlowContext) -> None:
        subprocess.run(["sh", "-c", BOMB, BOMB, str(MANY)], check=False)

    def chain(self, context: FlowContext) -> None:
        subprocess.run(["sh", "-c", CHAIN, CHAIN, str(MANY)], check=False)
