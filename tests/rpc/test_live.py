"""EvaluateLive over a real gRPC channel; what runs the evaluations does as the test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from sqlalchemy import text

from evald.errors import DeadlineExceeded, Unavailable
from evald.rpc import lane
from evald.settings import Settings
from evald.store.store import Store
from evaluation.v1 import (
    config_pb2,
    config_service_pb2,
    job_pb2,
    job_service_pb2,
    target_pb2,
    target_service_pb2,
)
from tests.rpc.calls import Stubs, custom_config, detail, error_of, rows_target
from tests.rpc.conftest import FakeEvaluator

COMPLETED = job_pb2.JOB_STATUS_COMPLETED
SECONDS = 20
SLOTS = 2


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, grpc_port=0, rpc_threads=2, live_slots=SLOTS, live_seconds=SECONDS
    )


def live(**fields: Any) -> job_service_pb2.EvaluateLiveRequest:
    fields.setdefault("inline_target", rows_target())
    fields.setdefault("inline_config", custom_config())
    return job_service_pb2.EvaluateLiveRequest(job=job_pb2.Job(**fields))


@contextmanager
def held(
    stubs: Stubs, evaluator: FakeEvaluator, count: int = SLOTS
) -> Iterator[tuple[list[Any], Callable[[], None]]]:
    """Calls that run until the block ends or they are over; and what waits until one is."""
    begun, ended, free = Semaphore(0), Semaphore(0), Event()

    def hold(over: Event) -> None:
        begun.release()
        while not (free.is_set() or over.wait(0.01)):
            pass
        ended.release()

    def await_end() -> None:
        assert ended.acquire(timeout=10)

    evaluator.act = hold
    calls = [stubs.jobs.EvaluateLive.future(live(), timeout=30) for _ in range(count)]
    try:
        for _ in calls:
            assert begun.acquire(timeout=10)
        yield calls, await_end
    finally:
        free.set()


def test_answer(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    found = stubs.jobs.EvaluateLive(live(namespace="team"), timeout=10)
    assert found.status == COMPLETED
    assert found.status_details.progress == 100.0
    assert dict(found.logs) == {"qa": "a line\n"}
    result = found.result
    assert result.id.startswith("evaluation_result-")
    assert result.job.startswith("eval-")
    assert result.namespace == "team"
    assert list(result.tasks) == ["qa"]
    assert 0 < result.created_at.ToNanoseconds() <= result.updated_at.ToNanoseconds()
    [(job, _)] = evaluator.calls
    assert job["id"] == result.job
    assert job["target"]["rows"] == [{"a": 1}]


def test_by_reference(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    target, config = rows_target(name="t"), custom_config(name="c")
    stubs.targets.CreateTarget(target_service_pb2.CreateTargetRequest(target=target))
    stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    job = job_pb2.Job(target="default/t", config="default/c")
    request = job_service_pb2.EvaluateLiveRequest(job=job)
    assert stubs.jobs.EvaluateLive(request, timeout=10).status == COMPLETED
    assert evaluator.calls[0][0]["config"]["name"] == "c"
    job.target = "default/none"
    error, _ = error_of(stubs.jobs.EvaluateLive, job_service_pb2.EvaluateLiveRequest(job=job))
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_seconds(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    stubs.jobs.EvaluateLive(live())
    stubs.jobs.EvaluateLive(live(max_runtime=3))
    stubs.jobs.EvaluateLive(live(max_runtime=300))
    stubs.jobs.EvaluateLive(live(), timeout=10)
    stubs.jobs.EvaluateLive(live(), timeout=100)
    seconds = [seconds for _, seconds in evaluator.calls]
    assert seconds[:3] == [SECONDS, 3, SECONDS]
    assert 0 < seconds[3] < SECONDS
    assert seconds[4] == SECONDS


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        (
            {
                "inline_target": target_pb2.Target(
                    type=target_pb2.TARGET_TYPE_MODEL,
                    inline_model={"api_endpoint": {"url": "http://h/v1", "model_id": "m"}},
                )
            },
            "target.type",
            "rows or dataset, not model; create a job",
        ),
        (
            {"inline_config": custom_config(params=config_pb2.EvaluationParams(gpus=1))},
            "config.params.gpus",
            "create a job",
        ),
        ({"inline_target": target_pb2.Target()}, "target.type", "say what is evaluated"),
        ({"max_runtime": 0}, "max_runtime", "from 1"),
    ],
)
def test_refused(
    stubs: Stubs, evaluator: FakeEvaluator, fields: dict[str, Any], field: str, words: str
) -> None:
    error, status = error_of(stubs.jobs.EvaluateLive, live(**fields))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    [violation] = detail(status, error_details_pb2.BadRequest).field_violations
    assert violation.field == field
    assert words in violation.description
    assert not evaluator.calls


def test_nothing_is_stored(stubs: Stubs, store: Store, settings: Settings) -> None:
    def stored() -> dict[str, Any]:
        names = "target", "config", "job", "result", "sample", "job_event"
        with store.database.read() as session:
            return {n: session.execute(text(f"select * from {n}")).all() for n in names}

    tables, files = stored(), {path.name for path in settings.data_dir.rglob("*")}
    stubs.jobs.EvaluateLive(live(), timeout=10)
    assert stored() == tables
    assert {path.name for path in settings.data_dir.rglob("*")} == files


@pytest.mark.parametrize(
    ("raised", "code", "http"),
    [
        (DeadlineExceeded("create a job"), grpc.StatusCode.DEADLINE_EXCEEDED, "504"),
        (Unavailable("no child"), grpc.StatusCode.UNAVAILABLE, "503"),
        (RuntimeError("secret words"), grpc.StatusCode.INTERNAL, "500"),
    ],
)
def test_errors(
    stubs: Stubs, evaluator: FakeEvaluator, raised: Exception, code: grpc.StatusCode, http: str
) -> None:
    def act(over: Event) -> None:
        raise raised

    evaluator.act = act
    error, status = error_of(stubs.jobs.EvaluateLive, live())
    assert error.code() == code
    assert "secret" not in error.details()
    assert detail(status, error_details_pb2.ErrorInfo).metadata["http_status"] == http
    assert "x-request-id" in dict(error.trailing_metadata())


def test_no_more_at_once_than_slots(
    stubs: Stubs, evaluator: FakeEvaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "PATIENCE", 0.05)
    with held(stubs, evaluator) as (calls, _):
        error, status = error_of(stubs.jobs.EvaluateLive, live())
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert detail(status, error_details_pb2.RetryInfo).retry_delay.ToSeconds() == 1
        assert not any(call.done() for call in calls)
    assert [call.result().status for call in calls] == [COMPLETED] * SLOTS
    for _ in range(2 * SLOTS):
        assert stubs.jobs.EvaluateLive(live(), timeout=10).status == COMPLETED


def test_a_call_waits_a_little_for_a_slot(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    with held(stubs, evaluator):
        late = stubs.jobs.EvaluateLive.future(live(), timeout=10)
    assert late.result().status == COMPLETED


def test_other_calls_do_not_wait(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    with held(stubs, evaluator):
        waiting = [stubs.jobs.EvaluateLive.future(live(), timeout=10) for _ in range(10)]
        for _ in range(5):
            stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest(), timeout=5)
        for call in waiting:
            call.cancel()


def test_a_caller_that_goes_away_ends_its_call(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    with held(stubs, evaluator) as (calls, await_end):
        calls[0].cancel()
        await_end()
        assert not calls[1].done()
    assert calls[1].result().status == COMPLETED
    assert stubs.jobs.EvaluateLive(live(), timeout=10).status == COMPLETED


def test_a_callers_deadline_ends_its_call(stubs: Stubs, evaluator: FakeEvaluator) -> None:
    over = Event()
    evaluator.act = lambda given: over.set() if given.wait(10) else None
    with pytest.raises(grpc.RpcError) as e:
        stubs.jobs.EvaluateLive(live(), timeout=0.2)
    assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert over.wait(10)
