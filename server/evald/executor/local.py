"""The local backend: attempts run in child processes of this machine."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator
from threading import Condition, Lock, Thread

import structlog

from evald.errors import Unavailable
from evald.executor.backend import ChildDied, JobSpec
from evald.executor.events import Done, Event, Failed, Log, decode
from evald.executor.printed import Printed
from evald.executor.process import ChildProcess
from evald.settings import Settings

log = structlog.get_logger()

LINE_LIMIT = 64 * 2**20
"""Bytes of the longest event that is read."""

READ_BYTES = 2**18
LOOK_SECONDS = 0.25
"""How often is looked whether a child has ended whose pipe somebody else keeps open."""

EXIT_SECONDS = 2
"""How long a child that has closed its pipe may take to end."""

JOBS_PER_CHILD = 200
RSS_LIMIT = 2 * 2**30
"""A child that has run so many jobs, or holds so many bytes of memory, is not used again."""

IDLE_SECONDS = 60
"""How long a child that is not to be kept warm waits for a job like the one before."""


class LocalRun:
    """One attempt in a child process."""

    def __init__(self, backend: LocalBackend, child: ChildProcess, spec: JobSpec) -> None:
        self._backend = backend
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
        self._backend.end_later(self._child, grace)

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
            raise ChildDied("protocol", "the child said what is not an event") from e

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
        self._backend.give_back(self._child)
        return True

    def _discard(self) -> None:
        with self._lock:
            over, self._over = self._over, True
        if not over:
            self._backend.discard(self._child)

    def _death(self) -> ChildDied:
        """How the child ended; when this returns, it has."""
        deadline = time.monotonic() + EXIT_SECONDS
        while (alive := not self._child.ended) and time.monotonic() < deadline:
            time.sleep(0.005)
        return death(self._child.end(), stopped=self._stopped, alive=alive)


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
            raise ChildDied("protocol", f"the child said more than {self._limit} bytes at once")


class LocalBackend:
    """Runs attempts in children, which are kept for the next attempt on the same devices.

    One thread, the keeper, starts warm children, ends those that were told to end and did not, and
    those that nobody needs.
    """

    def __init__(self, settings: Settings) -> None:
        self._warm = settings.warm_children
        self._idle: list[ChildProcess] = []
        self._busy: set[ChildProcess] = set()
        self._ending: dict[ChildProcess, float] = {}
        self._failures = 0
        self._start_at = 0.0
        self._closed = False
        self._news = Condition()
        self._keeper = Thread(target=self._keep, name="children", daemon=True)
        self._keeper.start()

    def start(self, spec: JobSpec) -> LocalRun:
        """Runs a spec in a waiting child with the same devices, or else in a new one."""
        return LocalRun(self, self._take(spec.devices), spec)

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify()
        self._keeper.join()
        for child in [*self._idle, *self._busy]:
            child.end()
        self._idle.clear()
        self._busy.clear()

    def give_back(self, child: ChildProcess) -> None:
        """The child has ended its job, and can take another if it is still fit."""
        child.jobs += 1
        child.idle_since = time.monotonic()
        fit = child.alone and child.jobs < JOBS_PER_CHILD and child.rss < RSS_LIMIT
        with self._news:
            self._failures = 0
            if fit and not self._closed:
                self._busy.discard(child)
                self._idle.append(child)
                return
        self.discard(child)

    def discard(self, child: ChildProcess) -> None:
        """Ends a child at once, and all that it started."""
        child.end()
        with self._news:
            self._busy.discard(child)
            self._ending.pop(child, None)
            self._news.notify()

    def end_later(self, child: ChildProcess, grace: float) -> None:
        """Ends a child, and all that it started, if it has not ended `grace` seconds from now."""
        with self._news:
            if child in self._busy:
                self._ending[child] = time.monotonic() + grace
                self._news.notify()

    def _take(self, devices: tuple[str, ...]) -> ChildProcess:
        with self._news:
            if self._closed:
                raise Unavailable("the server is going down")
            fits = [c for c in self._idle if c.devices == devices and not c.ended]
            # An idle child may hold memory of its devices.
            others = [c for c in self._idle if c not in fits and set(c.devices) & set(devices)]
            for child in [*fits[-1:], *others]:
                self._idle.remove(child)
            self._busy.update(fits[-1:])
            self._news.notify()
        for child in others:
            child.end()
        if fits:
            fits[-1].discard_printed()
            return fits[-1]
        try:
            child = ChildProcess(devices)
        except OSError as e:
            raise Unavailable(f"no child process can be started: {e.strerror}") from e
        with self._news:
            self._busy.add(child)
        return child

    def _keep(self) -> None:
        while True:
            with self._news:
                if self._closed:
                    return
                ends = self._due()
                starts = self._missing()
                if not ends and not starts:
                    self._news.wait(self._patience())
                    continue
            for child in ends:
                child.end()
            for _ in range(starts):
                self._start_warm()

    def _due(self) -> list[ChildProcess]:
        """Children to end now, taken off the lists."""
        now = time.monotonic()
        late = [c for c, at in self._ending.items() if at <= now]
        for child in late:
            del self._ending[child]
            self._busy.discard(child)
        dead = [c for c in self._idle if c.ended]
        if any(c.jobs == 0 for c in dead):
            self._failures += 1
            self._start_at = now + min(2.0**self._failures, IDLE_SECONDS)
            log.warning("a child ended before it had a job", failures=self._failures)
        spare = len([c for c in self._idle if not c.devices]) - self._warm
        idle = []
        for child in self._idle:
            old = now - child.idle_since > IDLE_SECONDS
            if old and child not in dead and (child.devices or spare > 0):
                spare -= not child.devices
                idle.append(child)
        for child in [*dead, *idle]:
            self._idle.remove(child)
        return [*late, *dead, *idle]

    def _missing(self) -> int:
        """Warm children to start now."""
        if time.monotonic() < self._start_at:
            return 0
        return max(0, self._warm - len([c for c in self._idle if not c.devices]))

    def _patience(self) -> float:
        """Seconds until something may have to be done: idle children are looked at each second."""
        return max(0.0, min([1.0, *(at - time.monotonic() for at in self._ending.values())]))

    def _start_warm(self) -> None:
        try:
            child = ChildProcess()
        except OSError as e:
            log.error("no child can be started", exc_info=e)
            with self._news:
                self._start_at = time.monotonic() + 1
            return
        with self._news:
            self._idle.insert(0, child)


def death(status: int | None, *, stopped: bool, alive: bool) -> ChildDied:
    """What to say of a child that ended so, before its job had."""
    if stopped:
        return ChildDied("stopped", "the child was told to end")
    if alive or status is None:
        return ChildDied("protocol", "the child closed its pipe before the job had ended")
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
