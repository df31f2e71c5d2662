"""The local backend: attempts run in child processes of this machine."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Thread

import structlog

from evald.errors import Unavailable
from evald.executor import marker
from evald.executor.backend import JobSpec
from evald.executor.limits import Limits
from evald.executor.process import ChildProcess
from evald.executor.run import LocalRun

log = structlog.get_logger()

JOBS_PER_CHILD = 200
RSS_LIMIT = 2 * 2**30
"""A child that has run so many jobs, or holds so many bytes of memory, is not used again."""

LOOK_SECONDS = 0.1
"""How often is looked at what the jobs hold."""

TYPES = 8
"""Config types whose flows new children prepare for."""

IDLE_SECONDS = 60
"""How long a child that is not to be kept warm waits for a job like the one before."""


class LocalBackend:
    """Runs attempts in children, which are kept for the next attempt on the same devices.

    One thread, the keeper, starts warm children, ends those that were told to end and did not, and
    those that nobody needs; another, the guard, ends those that take too much.

    A warm child is ready within a second of being started, and starts a job within milliseconds.
    While it waits it imports what flows of the last few config types need.
    """

    def __init__(self, limits: Limits, *, warm: int) -> None:
        """`warm` is how many children are kept ready."""
        marker.kill_orphans()
        marker.remove_orphans()
        self._warm = warm
        self._limits = limits
        self._idle: list[ChildProcess] = []
        self._busy: set[ChildProcess] = set()
        self._ending: dict[ChildProcess, float] = {}
        self._types: deque[str] = deque(maxlen=TYPES)
        self._failures = 0
        self._start_at = 0.0
        self._closed = False
        self._news = Condition()
        self._keeper = Thread(target=self._keep, name="children", daemon=True)
        self._keeper.start()
        self._guard = Thread(target=self._watch, name="guard", daemon=True)
        self._guard.start()

    def start(self, spec: JobSpec) -> LocalRun:
        """Runs a spec in a waiting child with the same devices, or else in a new one."""
        kind = str(spec.config.get("type") or "")
        with self._news:
            if kind and kind not in self._types:
                self._types.append(kind)
        child = self._take(spec.devices)
        return LocalRun(self, child, spec, output_limit=self._limits.output)

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._keeper.join()
        self._guard.join()
        for child in [*self._idle, *self._busy]:
            child.end()
        self._idle.clear()
        self._busy.clear()

    def give_back(self, child: ChildProcess) -> None:
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
        child.end()
        with self._news:
            self._busy.discard(child)
            self._ending.pop(child, None)
            self._news.notify()

    def end_later(self, child: ChildProcess, grace: float) -> None:
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
            # Without this thread no child is ever ended that was told to end.
            try:
                for child in ends:
                    child.end()
                for _ in range(starts):
                    self._start_warm()
            except Exception as e:
                log.error("children are not looked after", exc_info=e)
                time.sleep(LOOK_SECONDS)

    def _watch(self) -> None:
        while True:
            with self._news:
                if self._closed:
                    return
                busy = list(self._busy)
            for child in busy:
                try:
                    if not child.ended and (found := self._limits.exceeded(child.pid)):
                        child.condemn(*found)
                except Exception as e:
                    log.error("a job's limits are not looked at", pid=child.pid, exc_info=e)
            time.sleep(LOOK_SECONDS)

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
        plain = [c for c in self._idle if not c.devices and c not in dead]
        spare = [c for c in self._idle if c.devices and c not in dead]
        spare += plain[: max(0, len(plain) - self._warm)]
        old = [c for c in spare if now - c.idle_since > IDLE_SECONDS]
        for child in [*dead, *old]:
            self._idle.remove(child)
        return [*late, *dead, *old]

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
            child = ChildProcess(types=tuple(self._types))
        except OSError as e:
            log.error("no child can be started", exc_info=e)
            with self._news:
                self._start_at = time.monotonic() + 1
            return
        with self._news:
            self._idle.insert(0, child)
