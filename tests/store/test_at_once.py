"""Many change the same rows at the same time: each is answered as if it had come alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from evald.domain import ids
from evald.domain.documents import Maker
from evald.errors import Conflict, NotFound
from evald.store.store import Store
from tests.store.conftest import fresh, opened

AT_ONCE = 6
ROUNDS = 10


def all_at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """What calls answer or refuse; anything but a refusal is raised."""

    def outcome(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (Conflict, NotFound) as e:
            return e

    with ThreadPoolExecutor(AT_ONCE) as threads:
        started = [threads.submit(copy_context().run, outcome, call) for call in calls]
        return [call.result() for call in started]


def job(store: Store, namespace: str = "default") -> str:
    maker = Maker()
    target = maker.entity({"type": "rows", "rows": [{"a": 1}]}, ids.TARGET)
    config = maker.entity({"type": "custom"}, ids.CONFIG)
    made = {"id": ids.new_id(ids.JOB), "namespace": namespace, "target": target, "config": config}
    return str(store.jobs.add(made)["id"])


def result(store: Store, job_id: str) -> str:
    made = {"id": ids.new_id(ids.RESULT), "namespace": "default", "job": job_id}
    return str(store.results.add(made)["id"])


def test_a_job_is_cancelled_and_deleted(store: Store) -> None:
    for _ in range(ROUNDS):
        job_id = job(store)
        cancelled = all_at_once([lambda job_id=job_id: store.jobs.cancel(job_id)] * AT_ONCE)
        assert {answer["status"] for answer in cancelled} == {"cancelled"}
        assert len(store.jobs.get(job_id)["state_history"]) == 2
        deleted = all_at_once([lambda job_id=job_id: store.jobs.delete(job_id)] * AT_ONCE)
        assert deleted.count(None) == 1


def test_a_result_is_deleted(store: Store) -> None:
    for _ in range(ROUNDS):
        result_id = result(store, job(store))
        deleted = all_at_once([lambda one=result_id: store.results.delete(one)] * AT_ONCE)
        assert deleted.count(None) == 1


def test_results_move_past_one_another(store: Store) -> None:
    jobs = [job(store) for _ in range(4)]
    results = [result(store, job_id) for job_id in jobs[:2]]
    all_at_once(
        lambda one=one, to=to: store.results.update(one, to, lambda _: {"job": to})
        for _ in range(ROUNDS)
        for to in jobs
        for one in results
    )
    homes = {str(store.results.get(one)["job"]): one for one in results}
    assert len(homes) == len(results)
    for job_id in jobs:
        assert store.jobs.get(job_id).get("result") == homes.get(job_id)


def test_two_servers_claim_a_namespaces_last_slots(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    cap = 2
    ready = Barrier(AT_ONCE)

    def claim(server: int, job_id: str) -> bool:
        ready.wait(timeout=30)
        claimed = servers[server].queue.claim(
            job_id, f"w{server}", devices=[], lease_seconds=30, files_url="x"
        )
        return claimed is not None

    with fresh("postgresql", request, tmp_path) as settings:
        capped = settings.model_copy(update={"namespace_slots": cap})
        with opened(capped) as one, opened(capped) as other:
            servers = [one, other]
            for number in range(ROUNDS):
                jobs = [job(one, f"ns{number}") for _ in range(AT_ONCE)]
                claims = all_at_once(
                    lambda n=n, job_id=job_id: claim(n % 2, job_id) for n, job_id in enumerate(jobs)
                )
                assert sum(claims) == cap
                assert other.queue.running()[f"ns{number}"] == cap
