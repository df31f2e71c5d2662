"""Which servers are alive, what runs on them and what waits, on both databases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from evald.domain.devices import Device, Need
from evald.domain.fleet import Running, Server
from evald.errors import Unavailable
from evald.settings import Settings
from evald.store.queue import held
from evald.store.store import Store
from tests.store.conftest import opened
from tests.store.test_store import claim, job

GPU = Device(0, "GPU-0", "a GPU", 81920)
SERVER = Server("a", "host", 4, 2, True, (GPU,), datetime(2026, 1, 2, tzinfo=UTC))


def test_servers_are_there_while_they_say_so(store: Store) -> None:
    store.fleet.renew(SERVER, seconds=30)
    store.fleet.renew(replace(SERVER, id="dead"), seconds=-1)
    [seen] = store.fleet.servers()
    assert replace(seen, seen_at=None) == SERVER
    changed = replace(SERVER, slots=8, devices=())
    store.fleet.renew(changed, seconds=30)
    [again] = store.fleet.servers()
    assert replace(again, seen_at=None) == changed
    assert seen.seen_at is not None
    assert again.seen_at is not None
    assert again.seen_at >= seen.seen_at
    store.fleet.leave("a")
    store.fleet.leave("a")
    assert store.fleet.servers() == []


def test_the_fleet_as_it_stands(store: Store) -> None:
    first, second, last = (job(store, gpus=n, gpu_memory=n * 1024)["id"] for n in range(3))
    claim(store, second)
    retried = claim(store, last)
    store.queue.release(retried.fence, counted=True, error={"kind": "crash", "message": "it died"})
    fleet = store.fleet.snapshot()
    assert fleet.running == [Running(second, "default", "w", 1, (), Need(1, 1024))]
    assert [(j.job_id, j.need) for j in fleet.queue] == [
        (first, Need()),
        (last, Need(2, 2048)),
    ]
    now, later = (j.seconds for j in fleet.queue)
    assert now < 0 < later
    assert fleet.waiting == 2


def test_the_cap_of_a_namespace_holds_for_all_servers(settings: Settings) -> None:
    def take(job_id: str) -> bool:
        claimed = store.queue.claim(
            job_id, f"w-{job_id}", devices=[], lease_seconds=30, files_url="x"
        )
        return claimed is not None

    with opened(settings.model_copy(update={"namespace_slots": 3})) as store:
        ids = [job(store, namespace="ns")["id"] for _ in range(12)]
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, ids)) == 3
        assert take(job(store)["id"])


def test_jobs_that_a_worker_should_end(store: Store) -> None:
    mine, other, well = (job(store)["id"] for _ in range(3))
    for job_id, worker in ((mine, "a"), (other, "b"), (well, "a")):
        claim(store, job_id, worker)
    for job_id in (mine, other):
        store.jobs.cancel(job_id)
    assert store.queue.cancelling("a") == [mine]


def test_what_a_dead_server_has_locked_is_let_go(settings: Settings) -> None:
    """Also while PostgreSQL waits in the midst of its statement, where no time limit counts."""
    with opened(settings) as store, closing(Store(settings, name="stopped")) as other:
        if store.database.is_sqlite:
            return
        job_id = job(store)["id"]
        fence = claim(store, job_id, "stopped", lease_seconds=-1).fence
        other.fleet.renew(replace(SERVER, id="stopped"), seconds=30)

        def rescue() -> list[str]:
            store.fleet.end_dead()
            return store.queue.rescue()

        def stop_in_a_write() -> None:
            with other.database.write() as session:
                held(session, fence)
                assert [rescue() for _ in range(5)] == [[]] * 5
                store.fleet.leave("stopped")
                until = time.monotonic() + 5
                while not (rescued := rescue()) and time.monotonic() < until:
                    time.sleep(0.01)
                assert rescued == [job_id]

        with pytest.raises(Unavailable):
            stop_in_a_write()
