"""One attempt in a child process, seen from the server."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator
from threading import Lock
from typing import Protocol

from evald.executor.backend import ChildDied, JobSpec
from evald.executor.events import Done, Event, Failed, Log, decode
from evald.executor.printed import Printed
from evald.executor.process import ChildProcess

LINE_LIMIT = 64 * 2**20
"""Bytes of the longest event that is read."""

READ_BYTES = 2**18
LOOK_SECONDS = 0.25
"""How often is looked whether a child has ended whose pipe somebody else keeps open."""

EXIT_SECONDS = 2
"""How long a child that has closed its pipe may take to end."""


class Keeper(Protocol):
    """Whoever lent the child."""

    def give_back(self, child: ChildProcess) -> None:
        """The child has ended its job, and can take another if it is still fit."""

    def discard(self, child: ChildProcess) -> None:
        """Ends a child at once, and all that it started."""

    def end_later(self, child: ChildProcess, grace: float) -> None:
        """Ends a child, and all that it started, if it has not ended `grace` seconds from now."""


class LocalRun:
    """One attempt in a child process."""

    def __init__(
        self, keeper: Keeper, child: ChildProcess, spec: JobSpec, *, output_limit: int
    ) -> None:
        self._keeper = keeper
        self._output_limit = output_limit
        self._child = child
        self._unsent = memoryview(spec.encode())
        self._stopped = False
        self._over = False
        self._lock = Lock()
        self._send()

    @property
    def pid(self) -> int:
        return self._child.pid

    def events(self) -> Iterator[Event]:
        printed = Printed()
        with self._child.reading() as readable:
            try:
                if not readable:
                    raise self._death()
                for said in self._said(printed):
                    if not isinstance(said, Done | Failed):
                        yield said
                        continue
                    yield from self._leftover(printed)
                    if not self._release():
                        break
                    yield said
                    return
                raise self._death()
            finally:
                self._discard()

    def stop(self, grace: float) -> None:
        with self._lock:
            if self._over or self._stopped:
                return
            self._stopped = True
            self._child.terminate()
        self._keeper.end_later(self._child, grace)

    def _said(self, printed: Printed) -> Iterator[Event]:
        """Events until the child has no more to say. The spec is sent meanwhile, since a child that
        does not read it must not hold up anybody who wants to stop it."""
        child = self._child
        lines = Lines()
        with selectors.DefaultSelector() as ready:
            ready.register(child.events, selectors.EVENT_READ)
            ready.register(child.printed, selectors.EVENT_READ)
            if self._unsent:
                ready.register(child.stdin, selectors.EVENT_WRITE)
            while True:
                ended = child.ended
                fds = {key.fd for key, _ in ready.select(0 if ended else LOOK_SECONDS)}
                if child.stdin in fds and not self._send():
                    ready.unregister(child.stdin)
                if child.printed in fds:
                    data = os.read(child.printed, READ_BYTES)
                    yield from printed.feed(data)
                    if printed.size > self._output_limit:
                        raise too_much(self._output_limit)
                    if not data:
                        ready.unregister(child.printed)
                if child.events in fds:
                    data = os.read(child.events, READ_BYTES)
                    if not data:
                        break
                    for line in lines.feed(data):
                        yield self._decoded(line)
                elif ended:
                    break
        yield from self._leftover(printed)

    def _decoded(self, line: bytes) -> Event:
        try:
            return decode(line)
        except ValueError as e:
            raise ChildDied("child", "the child said what is not an event") from e

    def _send(self) -> bool:
        """Sends as much of the spec as the pipe takes; says whether there is more."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._child.stdin, self._unsent) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            self._unsent = memoryview(b"")  # the end of its events will tell why
        return False

    def _leftover(self, printed: Printed) -> Iterator[Log]:
        """What the child printed before its last event."""
        try:
            for _ in range(64):
                data = os.read(self._child.printed, READ_BYTES)
                if not data:
                    break
                yield from printed.feed(data)
        except BlockingIOError:
            pass
        yield from printed.close()

    def _release(self) -> bool:
        """Gives the child back, unless it has been told to end."""
        with self._lock:
            if self._stopped:
                return False
            self._over = True
        self._keeper.give_back(self._child)
        return True

    def _discard(self) -> None:
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._keeper.discard(self._child)

    def _death(self) -> ChildDied:
        """How the child ended; when this returns, it has."""
        deadline = time.monotonic() + EXIT_SECONDS
        while (alive := not self._child.ended) and time.monotonic() < deadline:
            time.sleep(0.005)
        status = self._child.end()
        if self._child.condemned and not self._stopped:
            return ChildDied(*self._child.condemned)
        return death(status, stopped=self._stopped, alive=alive)


def too_much(limit: int) -> ChildDied:
    """What to say of a child that prints for ever."""
    return ChildDied(
        "output",
        f"the job printed more than {limit // 2**20} MiB; raise EVALD_JOB_OUTPUT if it has to",
    )


class Lines:
    """Puts lines together from pieces."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in this piece. Raises ChildDied when a line gets too long."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            yield b"".join([*self._pieces, part])
            self._pieces, self._size = [], 0
        self._pieces.append(rest)
        self._size += len(rest)
        if self._size > self._limit:
            raise ChildDied("child", f"the child said more than {self._limit} bytes at once")


def death(status: int | None, *, stopped: bool, alive: bool) -> ChildDied:
    """What to say of a child that ended so, before its job had."""
    if stopped:
        return ChildDied("stopped", "the child was told to end")
    if alive or status is None:
        return ChildDied("child", "the child closed its pipe before the job had ended")
    if status == -signal.SIGKILL:
        return ChildDied(
            "killed",
            "the child was ended by SIGKILL, as the system does when memory runs out",
        )
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return ChildDied("crash", f"the child was ended by {name}")
    return ChildDied("crash", f"the child exited with status {status} before the job had ended")
