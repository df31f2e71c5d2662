"""Watching jobs, on a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from evald.domain.documents import Maker
from evald.domain.watch import Look, Watches
from evald.errors import InvalidArgument, NotFound, Unavailable


class FakeStore:
    """Jobs whose states and progress tests write."""

    def __init__(self) -> None:
        self.jobs: dict[str, Look] = {}
        self.polls: list[set[str]] = []
        self.error: Exception | None = None

    def enter(self, status: str, job_id: str = "j") -> None:
        last = self.jobs.get(job_id)
        revision = last.revision + 1 if last else 1
        state = {"revision": revision, "status": status, "attempt": 0, "at": f"at {revision}"}
        states = [*last.states, state] if last else [state]
        self.jobs[job_id] = Look({**state, "status_details": {}}, states)

    def progress(self, job_id: str = "j") -> None:
        last = self.jobs[job_id]
        details = {"samples_processed": last.revision}
        present = {**last.present, "revision": last.revision + 1, "status_details": details}
        self.jobs[job_id] = Look(present, last.states)

    def look(self, job_id: str) -> Look:
        if job_id not in self.jobs:
            raise NotFound
        return self.jobs[job_id]

    def changed(self, known: Mapping[str, int]) -> dict[str, Look | None]:
        self.polls.append(set(known))
        if self.error:
            raise self.error
        looks = {job_id: self.jobs.get(job_id) for job_id in known}
        return {i: look for i, look in looks.items() if not look or look.revision != known[i]}


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    store.enter("created")
    return store


@pytest.fixture
def watches(store: FakeStore) -> Watches:
    return Watches(store, Maker(), poll_seconds=0.001)


def run(work: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


async def take(events: AsyncIterator[Any]) -> tuple[str, int, str]:
    event = await anext(events)
    return event["type"], event["revision"], event["status"]


async def rest(events: AsyncIterator[Any]) -> list[tuple[str, int, str]]:
    return [(e["type"], e["revision"], e["status"]) async for e in events]


def test_snapshot_then_states_then_the_end(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        events = watches.watch("j")
        assert await take(events) == ("snapshot", 1, "created")
        store.enter("running")
        assert await take(events) == ("state", 2, "running")
        store.progress()
        assert await take(events) == ("progress", 3, "running")
        store.enter("completed")
        assert await rest(events) == [("state", 4, "completed")]
        assert watches.count == 0

    run(work())


def test_ended_job_has_a_snapshot_alone(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        store.enter("cancelled")
        assert await rest(watches.watch("j")) == [("snapshot", 2, "cancelled")]
        assert await rest(watches.watch("j", 1)) == [("state", 2, "cancelled")]
        assert await rest(watches.watch("j", 2)) == []
        assert store.polls == []

    run(work())


def test_slow_reader_gets_every_state_and_the_last_progress(
    store: FakeStore, watches: Watches
) -> None:
    async def work() -> None:
        events, quick = watches.watch("j"), watches.watch("j")
        await take(events)
        await take(quick)
        store.enter("running")
        await take(quick)
        for revision in range(3, 9):
            store.progress()
            assert await take(quick) == ("progress", revision, "running")
        assert await take(events) == ("state", 2, "running")
        assert await take(events) == ("progress", 8, "running")
        store.enter("pending")
        store.enter("running")
        store.enter("failed")
        assert await rest(events) == [
            ("state", 9, "pending"),
            ("state", 10, "running"),
            ("state", 11, "failed"),
        ]
        await quick.aclose()

    run(work())


def test_state_says_more_while_it_lasts(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        store.enter("running")
        first, last = [event async for event in limited(watches.watch("j", 0), 2)]
        assert "status_details" not in first
        assert "status_details" in last

    run(work())


async def limited(events: AsyncIterator[Any], count: int) -> AsyncIterator[Any]:
    for _ in range(count):
        yield await anext(events)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((-1, None), "after_revision"),
        ((2, None), "after_revision"),
        ((None, 0), "heartbeat_seconds"),
        ((None, 301), "heartbeat_seconds"),
    ],
)
def test_bad_arguments(watches: Watches, arguments: tuple[Any, Any], field: str) -> None:
    async def work() -> None:
        with pytest.raises(InvalidArgument) as e:
            await anext(watches.watch("j", *arguments))
        assert [v.field for v in e.value.violations] == [field]
        assert watches.count == 0

    run(work())


def test_revision_to_come_is_refused_with_the_present_one(watches: Watches) -> None:
    async def work() -> None:
        with pytest.raises(InvalidArgument, match="at revision 1, not yet at 7"):
            await anext(watches.watch("j", 7))

    run(work())


def test_unknown_and_deleted_jobs(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        with pytest.raises(NotFound):
            await anext(watches.watch("other"))
        events = watches.watch("j")
        await take(events)
        del store.jobs["j"]
        with pytest.raises(NotFound, match="deleted"):
            await take(events)
        assert watches.count == 0

    run(work())


def test_closing_ends_watches_and_the_poller(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        tasks = asyncio.all_tasks()
        streams = [watches.watch("j") for _ in range(3)]
        for events in streams:
            await take(events)
        waiting = [asyncio.ensure_future(anext(events)) for events in streams]
        await until(lambda: len(store.polls) > 2)
        watches.close()
        for event in waiting:
            with pytest.raises(Unavailable, match="after revision 1"):
                await event
        assert watches.count == 0
        await until(lambda: asyncio.all_tasks() == tasks)

    run(work())


def test_watchers_of_a_job_share_a_look_and_leave_nothing(
    store: FakeStore, watches: Watches
) -> None:
    async def work() -> None:
        tasks = asyncio.all_tasks()
        store.enter("created", "k")
        streams = [watches.watch("j") for _ in range(200)] + [watches.watch("k")]
        for events in streams:
            await take(events)
        assert watches.count == 201
        waiting = [asyncio.ensure_future(anext(events)) for events in streams]
        await until(lambda: {"j", "k"} in store.polls)
        store.enter("completed")
        ended = await asyncio.gather(*waiting[:200])
        assert len({id(event["status_details"]) for event in ended}) == 1
        waiting[-1].cancel()
        await until(lambda: watches.count == 200)
        for events in streams[:200]:
            async with aclosing(events):
                pass
        assert watches.count == 0
        await until(lambda: asyncio.all_tasks() == tasks)

    run(work())


def test_broken_database_is_survived_and_logged_once(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        events = watches.watch("j")
        await take(events)
        store.error = RuntimeError("gone for a while")
        waiting = asyncio.ensure_future(anext(events))
        polls = len(store.polls)
        await until(lambda: len(store.polls) > polls + 3)
        store.error = None
        store.enter("completed")
        assert (await waiting)["status"] == "completed"

    with capture_logs() as logs:
        run(work())
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_heartbeat_says_again_how_the_job_stands(store: FakeStore, watches: Watches) -> None:
    async def work() -> None:
        events = watches.watch("j", 1, 1)
        assert await take(events) == ("heartbeat", 1, "created")
        store.enter("completed")
        assert await take(events) == ("state", 2, "completed")

    run(work())
