"""A lane of its own for calls that take long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from typing import TypeVar

from evald.errors import ResourceExhausted

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a call waits for others to end before it is told to come back."""


class Lane:
    """Runs calls on `most` threads of their own, so that no other call has to wait for them."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._free = asyncio.Semaphore(most)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, work: Callable[[Event], T]) -> T:
        """What `work` answers, on behalf of this task's caller. The event that it is given is set
        when the caller goes away.

        Raises what `work` raises, or ResourceExhausted when no thread gets free soon.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            raise ResourceExhausted(
                f"{self._most} {self._name} calls run already; try again later"
            ) from None
        over = Event()
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, copy_context().run, work, over)
        running.add_done_callback(self._release)
        try:
            # The thread is busy until its work has ended, whoever waits for it.
            return await asyncio.shield(running)
        finally:
            over.set()

    def close(self) -> None:
        self._threads.shutdown()

    def _release(self, ended: asyncio.Future[T]) -> None:
        self._free.release()
        if not ended.cancelled():
            ended.exception()  # if nobody waits for it any more, nobody need hear of it
