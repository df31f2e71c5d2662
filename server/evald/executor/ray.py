"""The Ray backend: each attempt is a task that Ray places on one of its nodes."""

from __future__ import annotations

import json
import math
import selectors
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Protocol

import structlog

from evald import __version__
from evald.executor import notes
from evald.executor.backend import ChildDied, JobSpec
from evald.executor.events import Done, Event, Failed, decode
from evald.executor.notes import Died, Placed
from evald.executor.run import LOOK_SECONDS, READ_BYTES, Lines
from evald.settings import Settings

log = structlog.get_logger()

END_SECONDS = 30
"""How long is waited for the end of an attempt that was told to end, after its grace time."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a task needs to know beside its spec: the CPUs that Ray counts for it, limits as in
    Settings, and whether its worker keeps the child for the next one."""

    cpus: float
    job_memory: int
    job_processes: int
    job_output: int
    keep: bool
    version: str = __version__

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        return cls(
            settings.ray_cpus,
            settings.job_memory,
            settings.job_processes,
            settings.job_output,
            keep=settings.warm_children > 0,
        )

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


class Opens(Protocol):
    """Ray's driver."""

    def open(self) -> socket.socket:
        """A socket whose other end carries one attempt. Raises Unavailable."""

    def close(self) -> None:
        """Ends it with all that it carries."""


class RayBackend:
    """Runs attempts as tasks of Ray, in children of its workers, as LocalBackend does here.

    A worker, a node or Ray's head that is lost takes its attempts with it, as a child that dies
    does. What they would still say has no way to the store.
    """

    def __init__(self, settings: Settings, driver: Opens) -> None:
        self._driver = driver
        self._terms = Terms.of(settings).encode()
        self._runs: set[RayRun] = set()
        self._lock = Lock()

    def start(self, spec: JobSpec) -> RayRun:
        """Hands a spec to Ray, which places it when it has CPUs and GPUs for it. Raises
        Unavailable."""
        run = RayRun(self, self._driver.open(), self._terms + spec.encode())
        with self._lock:
            self._runs.add(run)
        return run

    def close(self) -> None:
        with self._lock:
            left = list(self._runs)
        for run in left:
            run.stop(0)
        self._driver.close()
        for run in left:
            run.cut()

    def forget(self, run: RayRun) -> None:
        with self._lock:
            self._runs.discard(run)


class RayRun:
    """One attempt on a Ray node."""

    def __init__(self, backend: RayBackend, link: socket.socket, order: bytes) -> None:
        self._backend = backend
        self._link = link
        self._link.setblocking(False)
        self._unsent = memoryview(order)
        self._incoming = self._read()
        self._pid: int | None = None
        self._heard = False
        self._stopped = False
        self._over = False
        self._given_up_at = math.inf
        self._lock = Lock()
        self._send()

    @property
    def pid(self) -> int:
        """Of its child, on its node; waits until Ray has placed it. Raises ChildDied."""
        while self._pid is None:
            for line in self._incoming:
                self._take(notes.read(line))
                break
            else:
                raise self._lost()
        return self._pid

    def events(self) -> Iterator[Event]:
        self._heard = True
        try:
            for line in self._incoming:
                if note := notes.read(line):
                    self._take(note)
                    continue
                said = event_of(line)
                last = isinstance(said, Done | Failed)
                if last and not self._finish():
                    continue
                yield said
                if last:
                    return
            raise self._lost()
        finally:
            self._end()

    def stop(self, grace: float) -> None:
        with self._lock:
            if self._over or self._stopped:
                return
            self._stopped = True
            self._given_up_at = time.monotonic() + grace + END_SECONDS
            self._unsent = memoryview(bytes(self._unsent) + f"{grace}\n".encode())
        self._send()

    def cut(self) -> None:
        """Takes the connection away from whoever still listens."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        if not self._heard:
            self._end()

    def _finish(self) -> bool:
        """Whether the attempt ends by itself, and has not been told to end."""
        with self._lock:
            self._over = not self._stopped
            return self._over

    def _end(self) -> None:
        """Ends the attempt if it has not ended, and waits for that."""
        self.stop(0)
        if not self._over:
            self._over = True
            with suppress(ChildDied):
                for _ in self._incoming:
                    pass
        self._incoming.close()
        self._link.close()
        self._backend.forget(self)

    def _read(self) -> Generator[bytes, None, None]:
        """Lines until the attempt has no more to say, or is given up. What is unsent is sent
        meanwhile."""
        lines = Lines()
        with selectors.DefaultSelector() as ready:
            ready.register(self._link, selectors.EVENT_READ)
            while True:
                more = selectors.EVENT_WRITE if self._send() else 0
                ready.modify(self._link, selectors.EVENT_READ | more)
                if not ready.select(LOOK_SECONDS):
                    if time.monotonic() > self._given_up_at:
                        return
                    continue
                try:
                    data = self._link.recv(READ_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                yield from lines.feed(data)

    def _send(self) -> bool:
        """Sends as much as the socket takes; says whether there is more."""
        with self._lock:
            try:
                while self._unsent:
                    self._unsent = self._unsent[self._link.send(self._unsent) :]
            except BlockingIOError:
                return True
            except OSError:
                self._unsent = memoryview(b"")  # the end of its events will tell why
            return False

    def _take(self, note: Placed | Died | None) -> None:
        """Learns where the attempt runs. Raises ChildDied when it has died."""
        match note:
            case Died(kind=kind, message=message):
                raise ChildDied(kind, message)
            case Placed(node=node, pid=pid):
                self._pid = pid
                log.info("attempt placed", node=node, pid=pid)

    def _lost(self) -> ChildDied:
        if self._stopped:
            return ChildDied("stopped", "the child was told to end")
        return ChildDied("lost", "the driver of Ray died, as it does when Ray's head is lost")


def event_of(line: bytes) -> Event:
    """The event of a line. Raises ChildDied when it is none."""
    try:
        return decode(line)
    except ValueError as e:
        raise ChildDied("child", "the Ray task said what is not an event") from e
