"""CompareJobs over a real gRPC channel, on jobs whose samples the test writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import grpc
import orjson
import pytest
from google.rpc import error_details_pb2

from evald import deadline
from evald.domain.attempts import Claim, Standing, StoredSample
from evald.domain.states import JobStatus
from evald.errors import DeadlineExceeded
from evald.statistics import CLUSTER
from evald.store.store import Store
from evaluation.v1 import job_pb2, job_service_pb2, target_pb2
from tests.rpc.calls import Stubs, custom_config, detail, error_of, new_job

MODEL = target_pb2.Target(type=target_pb2.TARGET_TYPE_MODEL, model="m")


class Evaluations:
    """Jobs, and attempts that score what the test says."""

    def __init__(self, stubs: Stubs, store: Store) -> None:
        self._stubs = stubs
        self._store = store

    def start(self, target: target_pb2.Target = MODEL) -> Claim:
        job = job_pb2.Job(inline_target=target, inline_config=custom_config())
        job_id = self._stubs.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job)).id
        claim = self._store.queue.claim(job_id, "w", devices=[], lease_seconds=30, files_url="x")
        assert claim is not None
        return claim

    def complete(self, values: Sequence[float], clusters: Sequence[float] = (), **item: Any) -> str:
        """A job whose samples have these values, and belong to these clusters; answers its id."""
        claim = self.start()
        batch = [
            StoredSample(
                task="qa",
                index=index,
                item=orjson.dumps({"q": index, **item}).decode(),
                sample=None,
                scores=orjson.dumps({"match": {"string-check": value}}).decode(),
                parts=orjson.dumps({CLUSTER: [clusters[index]]}).decode() if clusters else None,
                error=None,
            )
            for index, value in enumerate(values)
        ]
        self._store.samples.record(claim.fence, batch, Standing())
        self._store.queue.finish(claim.fence, JobStatus.COMPLETED, result={"tasks": {}})
        return claim.fence.job_id

    def compare(self, baseline: str, candidate: str) -> Any:
        return self._stubs.jobs.CompareJobs(request(baseline, candidate), timeout=10).comparisons


def request(baseline: str, candidate: str) -> Any:
    return job_service_pb2.CompareJobsRequest(baseline_job_id=baseline, candidate_job_id=candidate)


@pytest.fixture
def evaluations(stubs: Stubs, store: Store) -> Evaluations:
    return Evaluations(stubs, store)


def test_comparison(evaluations: Evaluations, store: Store) -> None:
    baseline = evaluations.complete([0, 0, 1, 1, 0, 0])
    candidate = evaluations.complete([1, 1, 1, 1, 0, 1])
    [found] = evaluations.compare(baseline, candidate)
    assert (found.task, found.metric, found.score) == ("qa", "match", "string-check")
    assert (found.pairs, found.wins, found.losses, found.ties) == (6, 3, 0, 3)
    assert found.baseline_mean == pytest.approx(1 / 3)
    assert found.candidate_mean == pytest.approx(5 / 6)
    assert found.difference == pytest.approx(0.5)
    assert found.stderr == pytest.approx(0.2236068)
    assert found.interval_low == pytest.approx(-0.0748, abs=1e-4)
    assert found.interval_high == pytest.approx(1.0748, abs=1e-4)
    assert found.p_value == pytest.approx(0.07559, abs=1e-5)
    assert store.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_job_beside_itself(evaluations: Evaluations) -> None:
    job_id = evaluations.complete([0, 1])
    [found] = evaluations.compare(job_id, job_id)
    assert (found.pairs, found.ties, found.difference, found.stderr) == (2, 2, 0, 0)
    assert not found.HasField("p_value")


def test_one_pair(evaluations: Evaluations) -> None:
    [found] = evaluations.compare(evaluations.complete([0]), evaluations.complete([1, 0]))
    assert (found.pairs, found.difference) == (1, 1)
    for field in ("p_value", "stderr", "interval_low", "interval_high"):
        assert not found.HasField(field)


def test_no_common_sample(evaluations: Evaluations) -> None:
    assert not evaluations.compare(evaluations.complete([]), evaluations.complete([1]))


def test_jobs_that_asked_about_different_rows(stubs: Stubs, evaluations: Evaluations) -> None:
    jobs = [evaluations.complete([1], of=name) for name in "ab"]
    error, status = error_of(stubs.jobs.CompareJobs, request(*jobs))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "different rows" in error.details()
    assert detail(status, error_details_pb2.ErrorInfo).metadata["http_status"] == "409"


def test_jobs_that_cannot_be_compared(stubs: Stubs, evaluations: Evaluations) -> None:
    done = evaluations.complete([1])
    running = evaluations.start().fence.job_id
    created = stubs.jobs.CreateJob(new_job()).id
    for other, code, words in (
        (running, grpc.StatusCode.FAILED_PRECONDITION, f"job '{running}' is running"),
        (created, grpc.StatusCode.FAILED_PRECONDITION, f"job '{created}' is created"),
        ("eval-none", grpc.StatusCode.NOT_FOUND, "job 'eval-none' does not exist"),
    ):
        for jobs in ((done, other), (other, done)):
            error, _ = error_of(stubs.jobs.CompareJobs, request(*jobs))
            assert error.code() == code
            assert words in error.details()


def test_both_jobs_are_asked_for(stubs: Stubs, evaluations: Evaluations) -> None:
    done = evaluations.complete([1])
    for jobs, field in (((done, ""), "candidate_job_id"), (("", done), "baseline_job_id")):
        error, status = error_of(stubs.jobs.CompareJobs, request(*jobs))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        [violation] = detail(status, error_details_pb2.BadRequest).field_violations
        assert violation.field == field


def test_reading_ends_with_the_call(evaluations: Evaluations, store: Store) -> None:
    samples = store.samples.read(evaluations.complete([1] * 1200))
    with deadline.within(0.05):
        next(samples)
        time.sleep(0.06)
        with pytest.raises(DeadlineExceeded):
            list(samples)


def test_clusters_of_pairs(evaluations: Evaluations) -> None:
    """Five pairs of which three and two say the same are no more than two."""
    values = [[0.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]]
    baseline, candidate = (evaluations.complete(v, clusters=[7, 7, 7, 9, 9]) for v in values)
    [found] = evaluations.compare(baseline, candidate)
    # Deviations of the clusters: 3 - 3 x 0.6 and 0 - 2 x 0.6; times 2 / (2 - 1), over 5.
    assert found.stderr == pytest.approx(((1.2**2 + 1.2**2) * 2) ** 0.5 / 5)
    [plain] = evaluations.compare(*(evaluations.complete(v) for v in values))
    assert plain.stderr < found.stderr
    assert plain.interval_low > found.interval_low
    one = [evaluations.complete(v, clusters=[7] * 5) for v in values]
    [found] = evaluations.compare(*one)
    assert (found.pairs, found.HasField("stderr"), found.HasField("p_value")) == (5, False, False)
