"""Watching jobs: one look at the store at a time, for all who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

import structlog

from evald.domain.documents import Document, Maker
from evald.domain.states import FINAL
from evald.errors import InvalidArgument, NotFound, Unavailable

log = structlog.get_logger()

POLL_SECONDS = 0.2
"""Wait between two looks at the jobs that are watched."""

SLICE = 20
"""Watchers that are woken at once. Between two slices other calls get their turn."""

SLICE_SECONDS = 0.004

PROGRESS_SECONDS = 0.001
"""What a watcher that is woken holds up the next word on progress by, so that many of them cannot
keep the server busy with it. Nothing holds up a state."""

HEARTBEAT_SECONDS = 15
LONGEST_HEARTBEAT = 300


@dataclass(frozen=True, slots=True)
class Look:
    """How a job stands: `present` is an event without a type, `states` has one for each state that
    was entered so far, oldest first. The last of those may be the present one."""

    present: Document
    states: Sequence[Document]

    @property
    def revision(self) -> int:
        return int(self.present["revision"])

    @property
    def has_ended(self) -> bool:
        return self.present["status"] in FINAL

    def since(self, revision: int) -> Iterator[Document]:
        """The events after a revision: each state, then progress if there was any in the last."""
        last = 0
        for state in self.states:
            last = state["revision"]
            if last > revision:
                seen = self.present if last == self.revision else state
                yield {**seen, "type": "state"}
        if self.revision > max(revision, last):
            yield {**self.present, "type": "progress"}


class WatchStore(Protocol):
    """Where jobs are looked at."""

    def look(self, job_id: str) -> Look:
        """How a job stands that the caller may see. Raises NotFound."""

    def changed(self, known: Mapping[str, int]) -> Mapping[str, Look | None]:
        """How those jobs stand whose revision is another than the known one; None when a job is
        gone. Asks for no caller."""


Waiter = asyncio.Future[None]


class Watched:
    """A job that somebody watches: what its watchers are told of, and what is known by now."""

    def __init__(self, look: Look) -> None:
        self.look = self.latest = look
        self.gone = False
        self.urgent = False
        self.watchers = 0
        self.waiting: set[Waiter] = set()

    def see(self, look: Look | None) -> None:
        """Takes what a look at the store has found."""
        if look is None:
            self.gone = self.urgent = True
        else:
            self.urgent |= len(look.states) > len(self.latest.states)
            self.latest = look

    def tell(self) -> Iterable[Waiter]:
        """Lets watchers have what is known; answers who waits for it."""
        self.look, self.urgent = self.latest, False
        return self.waiting

    async def news(self, seconds: float) -> bool:
        """Waits to be woken; answers whether that came in time."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return False
        finally:
            self.waiting.discard(waiter)
        return True


class Watches:
    """Sends what happens to jobs to any number of watchers.

    One task asks the store what has changed, while anybody watches. A watcher keeps nothing but the
    revision that it has sent, and takes what is newer from the last look when it is ready for it;
    so a slow one delays nobody and costs no memory.
    """

    def __init__(
        self, store: WatchStore, maker: Maker, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._store = store
        self._maker = maker
        self._poll_seconds = poll_seconds
        self._watched: dict[str, Watched] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """How many watch now."""
        return sum(watched.watchers for watched in self._watched.values())

    async def watch(
        self, job_id: str, after_revision: int | None = None, heartbeat_seconds: int | None = None
    ) -> AsyncIterator[Document]:
        """The events of a job, until it has ended: first how it stands, or with `after_revision`
        every state that it entered since. When nothing has happened for `heartbeat_seconds`, how it
        stands is said again.

        Raises NotFound, also when the job is deleted, InvalidArgument, or Unavailable when the
        server stops.
        """
        heartbeat = HEARTBEAT_SECONDS if heartbeat_seconds is None else heartbeat_seconds
        if not 1 <= heartbeat <= LONGEST_HEARTBEAT:
            raise InvalidArgument.of(
                "heartbeat_seconds",
                f"{heartbeat} is not a number of seconds from 1 to {LONGEST_HEARTBEAT}",
            )
        if after_revision is not None and after_revision < 0:
            raise InvalidArgument.of("after_revision", f"{after_revision} is not a number from 0")
        look = await asyncio.to_thread(self._store.look, job_id)
        if after_revision is not None and after_revision > look.revision:
            raise InvalidArgument.of(
                "after_revision",
                f"job {job_id!r} is at revision {look.revision}, not yet at {after_revision}",
            )
        with self._joined(job_id, look) as watched:
            sent = look.revision if after_revision is None else after_revision
            if after_revision is None:
                yield {**look.present, "type": "snapshot"}
            while True:
                for event in look.since(sent):
                    sent = event["revision"]
                    yield event
                if look.has_ended:
                    return
                if watched.look.revision <= look.revision:
                    if watched.gone:
                        raise NotFound(f"job {job_id!r} was deleted while it was watched")
                    if self._closed:
                        raise Unavailable(f"the server stops; watch again, after revision {sent}")
                    if not await watched.news(heartbeat):
                        yield {**look.present, "type": "heartbeat", "at": self._maker.moment()}
                if watched.look.revision > look.revision:
                    look = watched.look

    def close(self) -> None:
        """Ends every watch."""
        self._closed = True
        if self._poller is not None:
            self._poller.cancel()
        for watched in self._watched.values():
            wake(watched.waiting)

    @contextmanager
    def _joined(self, job_id: str, look: Look) -> Iterator[Watched]:
        """The job among the watched ones, as long as the block lasts."""
        watched = self._watched.setdefault(job_id, Watched(look))
        watched.watchers += 1
        if not self._closed and (self._poller is None or self._poller.done()):
            # In a context of its own: it acts for no one caller.
            loop = asyncio.get_running_loop()
            self._poller = loop.create_task(self._poll(), context=Context())
        try:
            yield watched
        finally:
            watched.watchers -= 1
            if not watched.watchers:
                del self._watched[job_id]

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        failing, progress_at = False, clock()
        while self._watched:
            await asyncio.sleep(self._poll_seconds)
            known = {
                job_id: watched.latest.revision
                for job_id, watched in self._watched.items()
                if not watched.latest.has_ended
            }
            try:
                looks = await asyncio.to_thread(self._store.changed, known) if known else {}
            except Exception as e:
                if not failing:
                    log.warning("watched jobs cannot be read; evald goes on trying", exc_info=e)
                failing = True
                continue
            failing = False
            for job_id, look in looks.items():
                if job_id in self._watched:
                    self._watched[job_id].see(look)
            now = clock()
            waiting = [
                waiter
                for watched in self._watched.values()
                if watched.urgent or (now >= progress_at and watched.latest is not watched.look)
                for waiter in watched.tell()
            ]
            progress_at = max(progress_at, now + PROGRESS_SECONDS * len(waiting))
            for start in range(0, len(waiting), SLICE):
                wake(waiting[start : start + SLICE])
                await asyncio.sleep(SLICE_SECONDS)


def wake(waiting: Iterable[Waiter]) -> None:
    """Ends waits that have not ended yet."""
    for waiter in waiting:
        if not waiter.done():
            waiter.set_result(None)
