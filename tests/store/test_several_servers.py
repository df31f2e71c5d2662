"""Two servers on one PostgreSQL and one data dir: one queue, seen and steered from both."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e.test_rest import Rest, chat_config, model_target
from tests.endpoint import Endpoint, Hang
from tests.service import Service
from tests.store.conftest import fresh

SLOTS = 2
LEASE_SECONDS = 2


@pytest.fixture(scope="module")
def services(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Service]]:
    folder = tmp_path_factory.mktemp("several") / "data"
    with fresh("postgresql", request, folder) as settings:
        given = {
            "EVALD_DATABASE_URL": str(settings.database_url),
            "EVALD_GPUS": "1x24",
            "EVALD_SLOTS": str(SLOTS),
            "EVALD_LEASE_SECONDS": str(LEASE_SECONDS),
            "EVALD_GRACE_SECONDS": "1",
        }
        services = [Service(folder, **given) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Service.start, services))
        yield services
        for service in services:
            service.stop()


@pytest.fixture
def rests(services: list[Service]) -> list[Rest]:
    return [Rest(service) for service in services]


@pytest.fixture(scope="module")
def files_url(services: list[Service], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten rows in the data dir that both share."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(f'{{"prompt":"{i}","ideal_response":"{i}"}}\n' for i in range(10)))
    return services[0].run("datasets", "put", "ns/data", str(path))


@pytest.fixture
def hanging() -> Iterator[Endpoint]:
    """A model that does not answer."""
    with Endpoint(always=Hang()) as endpoint:
        yield endpoint


def create(rest: Rest, endpoint: Endpoint, files_url: str, **params: Any) -> str:
    body = {"target": model_target(endpoint), "config": chat_config(files_url, **params)}
    return rest("POST", "/jobs", 201, json=body)["id"]


def until(look: Callable[[], Any]) -> Any:
    """Waits until there is something to see, and answers it."""
    deadline = time.monotonic() + 30
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def leases(rest: Rest, count: int) -> dict[str, str]:
    """The servers of the jobs that run, once there are so many."""
    return until(
        lambda: (
            len(found := {j["job"]: j["server"] for j in rest("GET", "/executor")["leases"]})
            == count
            and found
        )
    )


def names(rest: Rest) -> set[str]:
    """The servers that are alive."""
    return {server["id"] for server in rest("GET", "/executor")["servers"]}


def test_each_job_runs_once(rests: list[Rest], files_url: str) -> None:
    with Endpoint(latency=0.01) as endpoint:
        jobs = [create(rest, endpoint, files_url) for rest in rests * 3]
        ended = [rests[n % 2].finish(job_id) for n, job_id in enumerate(jobs)]
        asked = len(endpoint.requests)
    assert [job["status"] for job in ended] == ["completed"] * 6
    assert [job["attempts"] for job in ended] == [1] * 6
    assert asked == 60
    zips = [requests.get(f"{rest.base}/jobs/{jobs[0]}/logs", timeout=30) for rest in rests]
    assert [(z.status_code, z.content[:2]) for z in zips] == [(200, b"PK")] * 2


def test_both_take_jobs_which_end_through_the_other(
    rests: list[Rest], files_url: str, hanging: Endpoint
) -> None:
    left, right = rests
    jobs = [create(left, hanging, files_url) for _ in range(2 * SLOTS)]
    waits = create(right, hanging, files_url, gpus=1, gpu_memory=24)
    where = leases(left, len(jobs))
    assert set(where) == set(jobs)
    assert set(Counter(where.values()).values()) == {SLOTS}
    until(lambda: right("GET", f"/jobs/{waits}")["status"] == "pending")
    shown = right("GET", "/executor")
    assert {s["id"] for s in shown["servers"]} == {d["server"] for d in shown["devices"]}
    assert len(shown["servers"]) == 2
    [queued] = shown["queue"]
    assert (queued["job"], queued["reason"]) == (waits, f"all {2 * SLOTS} slots are taken")
    right("POST", f"/jobs/{waits}/cancel")

    # Of the jobs of each server half are ended through one, half through the other.
    by_server = sorted(jobs, key=lambda job_id: where[job_id])
    for n, job_id in enumerate(by_server):
        canceller, watcher = rests[n % 2], rests[(n + 1) % 2]
        url = f"{watcher.base}/jobs/{job_id}/events"
        with requests.get(url, stream=True, timeout=30) as events:
            lines = map(json.loads, events.iter_lines(chunk_size=None))
            assert next(lines)["status"] == "running"
            canceller("POST", f"/jobs/{job_id}/cancel")
            assert [*lines][-1]["status"] == "cancelled"


def test_jobs_of_a_server_that_dies_are_rescued(
    services: list[Service], rests: list[Rest], files_url: str, hanging: Endpoint
) -> None:
    jobs = [create(rests[0], hanging, files_url) for _ in range(2 * SLOTS)]
    where = leases(rests[0], len(jobs))
    services[1].stop(signal.SIGKILL)
    hanging.always = None
    alive = until(lambda: len(found := names(rests[0])) == 1 and found)
    kept = {job_id for job_id, server in where.items() if server in alive}
    assert len(kept) == SLOTS
    for job_id in kept:
        assert rests[0]("GET", f"/jobs/{job_id}")["attempts"] == 1
        rests[0]("POST", f"/jobs/{job_id}/cancel")
    for job_id in where.keys() - kept:
        job = rests[0].finish(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 2)
        states = [change["status"] for change in job["state_history"]]
        assert states[-4:] == ["running", "pending", "running", "completed"]
    services[1].start()
    until(lambda: names(rests[0]) == set(where.values()))
