"""A flow that does what its config says, good and bad. Children of the tests find it by its entry
point, as they find any other plugin."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from evald.errors import EvaluationError
from evald.flows.flow import Flow, FlowContext, SampleRecord


class Trial(Flow):
    types = ("trial",)
    targets: ClassVar = {"*": ("model", "rows")}

    def check(self, config: Any) -> None:
        pass

    async def run(self, context: FlowContext) -> dict[str, Any]:
        tasks = context.config.get("tasks") or {}
        do = context.config.get("do") or next(iter(tasks.values()))["type"]
        answer = getattr(self, do)(context)
        told = await answer if asyncio.iscoroutine(answer) else answer
        return {"tasks": {}, "groups": {}, "told": told}

    def tell(self, context: FlowContext) -> Any:
        return {
            "pid": os.getpid(),
            "devices": os.environ["CUDA_VISIBLE_DEVICES"],
            "environment": sorted(os.environ),
            "arguments": sys.argv,
            "stdin": sys.stdin.read(),
            "size": len(str(context.config)),
        }

    async def samples(self, context: FlowContext) -> None:
        context.emit.task("qa", "running")
        text = "x" * context.config.get("bytes", 10)
        for i in range(context.config["count"]):
            context.emit.sample(
                SampleRecord("qa", i, {"text": text}, {"output_text": "y"}, {"em": {"score": 1.0}})
            )
            context.emit.progress(i + 1, context.config["count"])
            if pause := context.config.get("pause"):
                await asyncio.sleep(pause)
        if context.config.get("then") == "hang":
            await asyncio.sleep(600)
        context.emit.task("qa", "completed")

    def talk(self, context: FlowContext) -> None:
        context.emit.log("info", "before")
        for task in context.config["tasks"]:
            context.emit.task(task, "running")
            context.emit.log("info", f"in {task}")
            context.emit.task(task, "completed")
        context.emit.log("info", "after")

    def chatter(self, context: FlowContext) -> None:
        for _ in range(400):
            context.emit.log("info", "x" * 8000)

    def kept(self, context: FlowContext) -> Any:
        return [[k.index, k.scores, k.parts, k.error] for k in context.kept("qa")]

    def refuse(self, context: FlowContext) -> None:
        raise EvaluationError("http", "HTTP 500", task="qa", sample=3)

    async def refuse_in_group(self, context: FlowContext) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(asyncio.to_thread(self.refuse, context))

    def leak(self, context: FlowContext) -> None:
        key = context.target["model"]["api_key"]
        sys.stdout.write(f"printed {key}\n")
        context.emit.log("info", f"logged {key}")
        context.emit.sample(SampleRecord("qa", 0, {key: 1}, {"text": f"a {key}"}, {}))
        raise ValueError(f"no {key}")

    def odd(self, context: FlowContext) -> Any:
        context.emit.sample(
            SampleRecord("qa", 0, {"a": "\ud800", 1: 2**70}, None, {"m": {"s": float("nan")}})
        )
        context.emit.log("info", "\udfff")
        return [float("inf"), object, {2**80: b"bytes"}, {1}]

    def large(self, context: FlowContext) -> None:
        context.emit.sample(SampleRecord("qa", 0, {"a": "x" * 2**24}, None, {}))

    def printing(self, context: FlowContext) -> None:
        sys.stdout.write("one\n")
        sys.stderr.write("two\n")
        os.write(1, b"10%\r20%\r30%\nno end")

    def flood(self, context: FlowContext) -> None:
        for _ in range(context.config["megabytes"]):
            os.write(1, b"x" * 2**20)

    def flood_forever(self, context: FlowContext) -> None:
        while True:
            os.write(1, b"line\n" * 1000)

    async def grow(self, context: FlowContext) -> None:
        held = []
        while len(held) < context.config["megabytes"]:
            held.append(os.urandom(2**20))
            await asyncio.sleep(0.001)

    def multiply(self, context: FlowContext) -> None:
        for _ in range(500):
            if not os.fork():
                os.setsid()
                time.sleep(600)
                os._exit(0)
            time.sleep(0.001)

    def chain(self, context: FlowContext) -> None:
        for _ in range(500):
            if os.fork():
                time.sleep(600)
                os._exit(0)
            time.sleep(0.001)
        time.sleep(600)

    def leave(self, context: FlowContext) -> None:
        sys.exit(3)

    def exit(self, context: FlowContext) -> None:
        os._exit(3)

    def segfault(self, context: FlowContext) -> None:
        ctypes.string_at(0)

    def kill(self, context: FlowContext) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def hang(self, context: FlowContext) -> None:
        context.emit.log("info", "ready")
        await asyncio.sleep(600)

    async def sign(self, context: FlowContext) -> None:
        """Hangs, once it has said where."""
        sign = Path(context.config["params"]["extra"]["sign"])
        sign.with_suffix(".new").write_text(str(os.getpid()))
        sign.with_suffix(".new").rename(sign)
        await asyncio.sleep(600)

    def busy(self, context: FlowContext) -> None:
        context.emit.log("info", "ready")
        while True:
            pass

    def stubborn(self, context: FlowContext) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        context.emit.log("info", "ready")
        time.sleep(600)

    def stuck(self, context: FlowContext) -> None:
        """Keeps the interpreter lock, as a hopeless regular expression does."""
        context.emit.log("info", f"ready {os.getpid()}")
        re.match(r"(a+)+$", "a" * 60 + "b")

    async def cleaning(self, context: FlowContext) -> None:
        context.emit.log("info", "ready")
        try:
            await asyncio.sleep(600)
        finally:
            context.emit.log("info", "cleaned up")

    def offspring(self, context: FlowContext) -> None:
        """Grandchildren: one in the group, one in a session of its own, one by bare fork, which
        keeps the pipes open."""
        code = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        command = [sys.executable, "-c", code]
        pids = [subprocess.Popen(command).pid]
        pids.append(subprocess.Popen(command, start_new_session=True).pid)
        forked = os.fork()
        if not forked:
            os.setsid()
            time.sleep(600)
            os._exit(0)
        context.emit.log("info", " ".join(map(str, [os.getpid(), *pids, forked])))
        if context.config.get("then") == "exit":
            os._exit(1)
        if context.config.get("then") != "end":
            time.sleep(600)

    def malformed(self, context: FlowContext) -> None:
        os.write(int(sys.argv[1]), b'{"kind": "surprise"}\n')
        time.sleep(600)

    def endless_line(self, context: FlowContext) -> None:
        while True:
            os.write(int(sys.argv[1]), b"x" * 2**20)

    def mute(self, context: FlowContext) -> None:
        os.close(int(sys.argv[1]))
        time.sleep(600)

    def late(self, context: FlowContext) -> None:
        """Leaves a thread that goes on talking when the job is over."""

        def talk() -> None:
            while True:
                context.emit.log("info", "late")
                time.sleep(0.001)

        threading.Thread(target=talk, daemon=True).start()
