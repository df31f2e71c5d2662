"""WatchJob over a real gRPC channel, on jobs that the test takes from state to state."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from evald.domain.attempts import Claim, Standing
from evald.domain.states import JobStatus
from evald.domain.watch import Watches
from evald.settings import Settings
from evald.store.store import Store
from evald.store.tables import JobRow
from evaluation.v1 import job_pb2, job_service_pb2
from tests.rpc.calls import Stubs, detail, error_of, new_job

SNAPSHOT, STATE, PROGRESS, HEARTBEAT = (
    job_pb2.JobEventType.Value(f"JOB_EVENT_TYPE_{name}")
    for name in ("SNAPSHOT", "STATE", "PROGRESS", "HEARTBEAT")
)
CREATED, RUNNING, FAILED, COMPLETED = (
    job_pb2.JobStatus.Value(f"JOB_STATUS_{name}")
    for name in ("CREATED", "RUNNING", "FAILED", "COMPLETED")
)


class Job:
    """A job, and an attempt that does as it is told."""

    def __init__(self, stubs: Stubs, store: Store) -> None:
        self._stubs = stubs
        self._store = store
        self.id: str = stubs.jobs.CreateJob(new_job()).id
        self.claim: Claim | None = None

    def start(self) -> None:
        """Revision 2 of a new job."""
        self.claim = self._store.queue.claim(
            self.id, "w", devices=[], lease_seconds=30, files_url="hf://x"
        )

    def progress(self, processed: int) -> None:
        assert self.claim is not None
        standing = Standing(processed, float(processed), {"qa": "running"})
        self._store.samples.record(self.claim.fence, [], standing)

    def finish(self, status: JobStatus = JobStatus.COMPLETED, **given: Any) -> None:
        assert self.claim is not None
        self._store.queue.finish(self.claim.fence, status, **given)

    def watch(self, **fields: Any) -> Any:
        request = job_service_pb2.WatchJobRequest(job_id=self.id, **fields)
        return self._stubs.jobs.WatchJob(request, timeout=20)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_streams": 300})


@pytest.fixture
def job(stubs: Stubs, store: Store) -> Job:
    return Job(stubs, store)


def steps(events: Any) -> list[tuple[int, int, int]]:
    return [(e.type, e.revision, e.status) for e in events]


def await_true(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_from_snapshot_to_end(job: Job, watches: Watches) -> None:
    events = job.watch()
    event = next(events)
    assert (event.type, event.revision, event.status) == (SNAPSHOT, 1, CREATED)
    assert event.at.seconds > 0
    assert not event.status_details.HasField("progress")
    job.start()
    event = next(events)
    assert (event.type, event.revision, event.attempt) == (STATE, 2, 1)
    assert event.status_details.message == "Job is running"
    job.progress(40)
    event = next(events)
    assert (event.type, event.revision, event.status) == (PROGRESS, 3, RUNNING)
    assert event.status_details.samples_processed == 40
    job.finish(JobStatus.FAILED, error={"kind": "http", "message": "503", "task": "qa"})
    event = next(events)
    assert (event.type, event.revision, event.status) == (STATE, 4, FAILED)
    assert (event.error.kind, event.error.task) == ("http", "qa")
    assert list(events) == []
    assert watches.count == 0


def test_ended_job_is_one_snapshot(job: Job) -> None:
    job.start()
    job.finish()
    assert steps(job.watch()) == [(SNAPSHOT, 3, COMPLETED)]


def test_history_is_replayed_and_nothing_is_missed_after_a_break(job: Job) -> None:
    job.start()
    job.progress(1)
    job.progress(2)
    assert steps(itertools.islice(job.watch(after_revision=0), 3)) == [
        (STATE, 1, CREATED),
        (STATE, 2, RUNNING),
        (PROGRESS, 4, RUNNING),
    ]
    job.finish()
    whole = [(STATE, 1, CREATED), (STATE, 2, RUNNING), (STATE, 5, COMPLETED)]
    for after in range(6):
        left = [step for step in whole if step[1] > after]
        assert steps(job.watch(after_revision=after)) == left


def test_heartbeat(job: Job) -> None:
    events = job.watch(after_revision=1, heartbeat_seconds=1)
    event = next(events)
    assert (event.type, event.revision, event.status) == (HEARTBEAT, 1, CREATED)
    assert event.at.seconds > 0
    events.cancel()


@pytest.mark.parametrize(
    "fields",
    [{"after_revision": -1}, {"after_revision": 2}, *({"heartbeat_seconds": n} for n in (0, 301))],
)
def test_bad_arguments(stubs: Stubs, job: Job, fields: dict[str, int]) -> None:
    request = job_service_pb2.WatchJobRequest(job_id=job.id, **fields)
    error, status = error_of(stubs.jobs.WatchJob, request)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert [violation.field] == list(fields)


def test_unknown_and_deleted_jobs(stubs: Stubs, store: Store, job: Job, watches: Watches) -> None:
    unknown = job_service_pb2.WatchJobRequest(job_id="none")
    assert error_of(stubs.jobs.WatchJob, unknown)[0].code() == grpc.StatusCode.NOT_FOUND
    events = job.watch()
    next(events)
    with store.database.write() as session:
        session.delete(session.get(JobRow, job.id))
    with pytest.raises(grpc.RpcError) as e:
        next(events)
    assert e.value.code() == grpc.StatusCode.NOT_FOUND
    assert "deleted" in e.value.details()
    assert watches.count == 0


def test_watchers_that_go_leave_nothing(job: Job, watches: Watches) -> None:
    streams = [job.watch() for _ in range(20)]
    for events in streams:
        next(events)
    assert watches.count == 20
    for events in streams:
        events.cancel()
    await_true(lambda: watches.count == 0)


def test_many_watchers_of_many_jobs(stubs: Stubs, store: Store, watches: Watches) -> None:
    jobs = [Job(stubs, store) for _ in range(5)]
    streams = [(job, job.watch()) for job in jobs for _ in range(40)]
    for _, events in streams:
        assert next(events).type == SNAPSHOT
    assert watches.count == 200
    for _ in range(20):
        stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest(), timeout=5)
    for job in jobs:
        job.start()
        job.finish()
    for _, events in streams:
        assert steps(events) == [(STATE, 2, RUNNING), (STATE, 3, COMPLETED)]
    assert watches.count == 0
