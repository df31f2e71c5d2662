"""Many clients, claimers and jobs at once."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from evald.domain import ids
from evald.domain.entities import Maker
from evald.settings import Settings
from evald.store.jobs import record
from evald.store.store import Store
from evald.store.tables import JobRow
from tests.robustness.model import echo_job, fault_job
from tests.robustness.world import Run, kill, put_rows

PROCESSES, THREADS = 4, 4
"""Claimers of one database."""

VIEW = 1000
"""Jobs of the queue that a claimer sees."""

SOME = 25
"""Jobs that a claimer tries before it looks at the queue again."""


def claims(run: Run) -> None:
    """Has many claimers empty one queue."""
    url = run.postgresql.url if run.postgresql else None
    settings = Settings(data_dir=run.folder / "data", database_url=url)
    count = run.of(10000, 400)
    store = Store(settings)
    enqueue(store, count)
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        found = pool.starmap(claim_all, [(settings, number) for number in range(PROCESSES)])
    took = max(end for *_, end in found) - min(begin for _, _, begin, _ in found)
    left = len(store.queue.waiting())
    store.close()
    taken = Counter(job_id for claimed, *_ in found for job_id in claimed)
    errors = [error for _, told, *_ in found for error in told]
    twice = sum(number > 1 for number in taken.values())
    run.figure(
        f"{PROCESSES * THREADS} claimers of {count} jobs",
        "each is claimed once",
        f"{len(taken)} claimed, {twice} of them more than once, {left} left, {took:.0f} s",
        len(taken) == count and not twice and not left,
    )
    deadlocks = run.postgresql.deadlocks() if run.postgresql else 0
    run.figure(
        "claimers meet no error",
        "0 deadlocks, 0 errors",
        f"{deadlocks} deadlocks, {len(errors)} errors {sorted(set(errors))[:3]}",
        not errors and not deadlocks,
    )


def claim_all(settings: Settings, number: int) -> tuple[list[str], list[str], float, float]:
    """The jobs that the claimers of one process got, the errors that they met, and when they began
    and ended."""
    store = Store(settings)
    began = time.time()
    claimed: list[str] = []
    errors: list[str] = []

    def claim(worker: str) -> None:
        rng = random.Random(worker)
        while waiting := store.queue.waiting(of_kind=VIEW):
            for job in rng.sample(waiting, min(SOME, len(waiting))):
                try:
                    got = store.queue.claim(
                        job.job_id, worker, devices=(), lease_seconds=3600, files_url="-"
                    )
                except Exception as e:
                    errors.append(f"{type(e).__name__}: {e}")
                    continue
                if got is not None:
                    claimed.append(job.job_id)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(claim, [f"worker-{number}-{i}" for i in range(THREADS)]))
    store.close()
    return claimed, errors, began, time.time()


def enqueue(store: Store, count: int, job: Mapping[str, Any] | None = None) -> None:
    """Puts so many jobs into the queue of a database that no server uses."""
    asked = job or fault_job("pause", seconds=600)
    namespace = asked.get("namespace", "default")
    maker = Maker()
    target = maker.entity(asked["target"], ids.TARGET)
    config = maker.entity(asked["config"], ids.CONFIG)
    while count:
        some = min(count, 500)
        with store.database.write() as session:
            for _ in range(some):
                made = {"id": ids.new_id(ids.JOB), "namespace": namespace}
                record(session, JobRow.from_document({**made, "target": target, "config": config}))
        count -= some


def starved(run: Run) -> None:
    """Fills the queue with jobs of one namespace that may run only one at a time."""
    url = run.postgresql.url if run.postgresql else None
    service = run.service(EVALD_NAMESPACE_SLOTS="1")
    store = Store(Settings(data_dir=service.data_dir, database_url=url))
    enqueue(store, 1100, {**fault_job("pause", seconds=600), "namespace": "crowd"})
    store.close()
    run.start(service)
    job_id = run.harm(service, "pause", seconds=0)
    began = time.monotonic()
    run.await_status(service, [job_id], "completed", seconds=30)
    took = time.monotonic() - began
    kill(service)
    run.figure(
        "1,100 jobs of a namespace with one slot: another namespace's job runs",
        "within 10 s",
        f"{took:.1f} s",
        in_time=took <= 10,
    )


def duplicates(run: Run) -> None:
    """Sends one create again and again, from many clients at once."""
    count, rows = run.of(1000, 60), 5
    service, model = run.service(), run.model()
    put_rows(service)
    run.start(service)
    job = echo_job(model, "twins", rows)
    headers = {"Idempotency-Key": "twins"}

    def create(_: int) -> str:
        answer = requests.post(
            f"{service.rest}/v1/evaluation/jobs", json=job, headers=headers, timeout=60
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(create, range(count)))
    run.tags |= dict.fromkeys(made, "twins")
    run.finish(service, rows=rows)
    run.figure(f"{count} creates with one key", "1 job", f"{len(made)}", len(made) == 1)
