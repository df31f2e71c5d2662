"""Files of jobs, sent as streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from google.api import httpbody_pb2

from evald.errors import ResourceExhausted

THREADS = 8


class Downloads:
    """Sends ZIP archives part by part, `most` at once. Threads of their own read them: neither the
    server's loop nor any other call may have to wait for a slow disk."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="download")

    async def send(
        self, pack: Callable[[str], Iterator[bytes]], job_id: str, kind: str, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """The archive that `pack` makes of a job. Raises what it raises, or ResourceExhausted."""
        if self._open >= self._most:
            raise ResourceExhausted(f"{self._most} downloads are open; try again later")
        self._open += 1
        try:
            parts = await self._in_thread(pack, job_id)
            name = f'attachment; filename="{job_id}-{kind}.zip"'
            await context.send_initial_metadata((("content-disposition", name),))
            while part := await self._in_thread(next, parts, b""):
                yield httpbody_pb2.HttpBody(content_type="application/zip", data=part)
        finally:
            self._open -= 1

    def close(self) -> None:
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        # A thread works on behalf of the caller whose task sends it.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, work, *given)
