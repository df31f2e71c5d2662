"""What is seen of a long queue when it is asked whose turn it is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from evald.domain import ids
from evald.executor.gpus import Gpus
from evald.executor.turns import Turns
from evald.store.store import Store
from evald.store.tables import JobRow
from evald.store.turns import VIEW_OF_KIND
from tests.store.test_store import job


def crowd(store: Store, count: int, **members: Any) -> None:
    """Many jobs that wait, the oldest first."""
    parts = {f"{part}_{key}": "x" for part in ("target", "config") for key in ("id", "ref")}
    shared = {"namespace": "default", "target": {}, "config": {}, **parts, **members}
    with store.database.write() as session:
        session.execute(
            insert(JobRow), [{"id": ids.new_id(ids.JOB), **shared} for _ in range(count)]
        )


def test_a_crowd_that_cannot_start_hides_nobody(store: Store) -> None:
    crowd(store, 3000, namespace="capped")
    crowd(store, 3000, namespace="other", gpus=2)
    small = job(store, namespace="other", gpus=1)["id"]
    plain = job(store, namespace="other")["id"]
    waiting = store.queue.waiting()
    assert len(waiting) == 2 * VIEW_OF_KIND + 2
    gpus = Gpus("2")
    assert gpus.lease(waiting[-2].need)  # one of the two is taken
    turns = Turns(gpus, cap=1)
    started = [found.job_id for found, _ in turns.take(waiting, {"capped": 1}, slots=4)]
    assert started == [small]
    turns = Turns(gpus, cap=2)
    started = [found.job_id for found, _ in turns.take(waiting, {"capped": 2}, slots=4)]
    assert started == [plain]


def test_the_first_of_each_kind_are_seen_in_turn(store: Store) -> None:
    first, second, _ = (job(store)["id"] for _ in range(3))
    held = job(store)["id"]
    store.queue.hold([held])
    urgent = job(store, namespace="b", priority=1)["id"]
    gpu = job(store, gpus=1)["id"]
    large = job(store, gpus=1, gpu_memory=1024)["id"]

    def seen(**limits: int) -> list[str]:
        return [found.job_id for found in store.queue.waiting(**limits)]

    assert seen(of_kind=2) == [urgent, first, second, held, gpu, large]
    assert seen(of_kind=1) == [urgent, first, held, gpu, large]
    assert seen(view=5) == [urgent, first, held, gpu, large]
    assert seen(view=2) == [urgent, first]
