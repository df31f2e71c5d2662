"""The wall clock jumps by an hour: leases, waits and servers last as long as they should."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from evald.settings import Settings
from evald.store import queue
from evald.store.store import Store
from tests.store.conftest import opened
from tests.store.test_fleet import SERVER
from tests.store.test_store import claim, job

HOUR = 3600
ERROR = {"kind": "crash", "message": "it died"}

Jump = Callable[[float], None]


def shift_sqlite(store: Store, by: Callable[[], float]) -> None:
    """Shifts the wall clock that SQLite's date functions read."""

    def shifted(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        return statement.replace("'now'", f"'now', '{by():+.0f} seconds'"), parameters

    event.listen(store.database.engine, "before_cursor_execute", shifted, retval=True)


@pytest.fixture
def shift() -> list[float]:
    """By how much the wall clock is shifted."""
    return [0.0]


@pytest.fixture
def jump(store: Store, shift: list[float], monkeypatch: pytest.MonkeyPatch) -> Jump:
    """Lets the wall clock of the server, and SQLite's, jump; PostgreSQL's is another machine's."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])
    if store.database.is_sqlite:
        shift_sqlite(store, lambda: shift[0])

    def jump(seconds: float) -> None:
        shift[0] += seconds

    return jump


def waits(store: Store) -> list[float]:
    """For how long the jobs in the queue wait at least."""
    return [queued.seconds for queued in store.fleet.snapshot().queue]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_lease_lasts_as_long_as_it_should(store: Store, jump: Jump, seconds: float) -> None:
    kept = claim(store, job(store)["id"])
    lost = job(store)["id"]
    claim(store, lost, lease_seconds=0.1)
    jump(seconds)
    time.sleep(0.2)
    assert store.queue.rescue() == [lost]
    assert store.queue.renew([kept.fence], lease_seconds=30)
    assert store.queue.rescue() == []


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_job_waits_as_long_as_it_should(
    store: Store, jump: Jump, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> str:
        job_id = job(store)["id"]
        store.queue.release(claim(store, job_id).fence, counted=True, error=ERROR)
        return job_id

    monkeypatch.setattr(queue, "RETRY_SECONDS", 60)
    die()
    monkeypatch.setattr(queue, "RETRY_SECONDS", 0.1)
    soon = die()
    jump(seconds)
    time.sleep(0.2)
    assert [found.job_id for found in store.queue.waiting()] == [soon]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_server_is_alive_as_long_as_it_should(store: Store, jump: Jump, seconds: float) -> None:
    store.fleet.renew(SERVER, seconds=30)
    jump(seconds)
    [server] = store.fleet.servers()
    store.fleet.renew(server, seconds=30)
    [again] = store.fleet.servers()
    assert server.seen_at is not None
    assert again.seen_at is not None
    moved = (again.seen_at - server.seen_at).total_seconds()
    expected = seconds if store.database.is_sqlite else 0
    assert moved == pytest.approx(expected, abs=20)  # it was seen when the wall clock says


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_server_starts_with_another_time(
    store: Store, settings: Settings, jump: Jump, seconds: float
) -> None:
    dead, running = job(store)["id"], job(store)["id"]
    store.queue.release(claim(store, dead).fence, counted=True, error=ERROR)
    claim(store, running)
    jump(seconds)
    with opened(settings) as again:
        assert again.queue.rescue(worker="w") == [running]
        assert max(waits(again)) <= queue.LONGEST_WAIT
        assert running in [found.job_id for found in again.queue.waiting()]
        assert len(waits(again)) == 2


def test_no_wait_is_longer_than_the_longest(settings: Settings) -> None:
    with opened(settings.model_copy(update={"max_attempts": 10_000})) as store:
        job_id = job(store)["id"]
        fence = claim(store, job_id).fence
        with store.database.write() as session:
            queue.held(session, fence).failures = 5000
        store.queue.release(fence, counted=True, error=ERROR)
        assert waits(store) == [pytest.approx(queue.LONGEST_WAIT, abs=20)]
