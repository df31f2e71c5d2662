"""What is too large is refused in the table's words, and before it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from evald.errors import InvalidArgument
from evald.rpc import size
from evald.rpc.size import Sizes
from evald.settings import Settings
from evald.store.store import Store
from evaluation.v1 import (
    config_service_pb2,
    job_pb2,
    job_service_pb2,
    result_service_pb2,
    target_pb2,
    target_service_pb2,
)
from tests.rpc.calls import Stubs, custom_config, detail, error_of, new_job, rows_target
from tests.rpc.test_compare import Evaluations

BODY = 64 * 1024
SIZES = Sizes(BODY)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(size, "LEAST_ANSWER", 0)
    return Settings(data_dir=tmp_path, grpc_port=0, body_limit=BODY)


def create(stubs: Stubs, **fields: Any) -> target_pb2.Target:
    request = target_service_pb2.CreateTargetRequest(target=rows_target(**fields))
    return stubs.targets.CreateTarget(request)


def refused(call: Any, request: Any) -> tuple[list[str], str]:
    """The fields that an error names, and what it says; it is one that nobody tries again."""
    error, status = error_of(call, request)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.domain, info.metadata["http_status"]) == ("evald", "422")
    bad = error_details_pb2.BadRequest()
    for packed in status.details:
        packed.Unpack(bad)
    return [violation.field for violation in bad.field_violations], error.details()


def test_a_page_that_is_too_large_asks_for_a_smaller_one(stubs: Stubs, settings: Settings) -> None:
    for i in range(6):
        create(stubs, name=f"t{i}", description="x" * (SIZES.request - 1000))
    fields, message = refused(stubs.targets.ListTargets, target_service_pb2.ListTargetsRequest())
    assert fields == ["page_size"]
    assert "ask for fewer entries" in message
    found = []
    for page in (1, 2, 3):
        request = target_service_pb2.ListTargetsRequest(page=page, page_size=2)
        found += [target.name for target in stubs.targets.ListTargets(request).data]
    assert found == [f"t{i}" for i in range(6)]


def test_samples(stubs: Stubs, store: Store) -> None:
    job_id = Evaluations(stubs, store).complete([1.0] * 10, text="x" * SIZES.request)

    def request(page_size: int, **more: Any) -> Any:
        return job_service_pb2.ListJobSamplesRequest(job_id=job_id, page_size=page_size, **more)

    assert refused(stubs.jobs.ListJobSamples, request(10))[0] == ["page_size"]
    pages = [stubs.jobs.ListJobSamples(request(3, page=page)).data for page in (1, 2, 3, 4)]
    assert [sample.index for page in pages for sample in page] == list(range(10))


def test_a_sample_that_no_answer_holds(stubs: Stubs, store: Store) -> None:
    job_id = Evaluations(stubs, store).complete([1.0], text="x" * SIZES.answer)
    request = job_service_pb2.ListJobSamplesRequest(job_id=job_id, page_size=1)
    fields, message = refused(stubs.jobs.ListJobSamples, request)
    assert fields == ["page_size"]
    assert "this entry alone" in message


def test_an_answer_without_pages() -> None:
    request = job_service_pb2.GetJobResultRequest(job_id="x")
    SIZES.check_answer(request, SIZES.answer)
    with pytest.raises(InvalidArgument, match="the answer has") as e:
        SIZES.check_answer(request, SIZES.answer + 1)
    assert e.value.violations == ()


def test_a_job_of_three_full_parts_can_be_read_and_listed(stubs: Stubs) -> None:
    text = "x" * (SIZES.request - 1000)
    create(stubs, namespace="ns", name="t", description=text)
    config = custom_config(namespace="ns", name="c", description=text)
    stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    job = job_pb2.Job(target="ns/t", config="ns/c", description=text)
    created = stubs.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job))
    assert created.ByteSize() > 3 * len(text)
    got = stubs.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=created.id))
    assert got.inline_target.description == got.inline_config.description == text
    listed = stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest())
    assert [entry.id for entry in listed.data] == [created.id]


@pytest.mark.parametrize("call", ["CreateJob", "EvaluateLive"])
def test_a_request_that_is_too_large_is_refused_by_us(stubs: Stubs, call: str) -> None:
    kind = getattr(job_service_pb2, f"{call}Request")
    for length in (SIZES.request, SIZES.received - 1000):
        fields, message = refused(
            getattr(stubs.jobs, call), kind(job=new_job(description="x" * length).job)
        )
        assert fields == []
        assert "put rows into a data set instead" in message
    assert not stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data


def test_an_entity_does_not_grow_by_changes_beyond_what_can_be_read(stubs: Stubs) -> None:
    half = "x" * (SIZES.request * 6 // 10)
    made = create(stubs, namespace="ns", name="t", description=half)

    def change(**fields: Any) -> Any:
        target = target_pb2.Target(**fields)
        return target_service_pb2.UpdateTargetRequest(namespace="ns", name="t", target=target)

    fields = {"text": half}
    message = refused(stubs.targets.UpdateTarget, change(custom_fields=fields))[1]
    assert "with this change it would have" in message
    get = target_service_pb2.GetTargetRequest(namespace="ns", name="t")
    assert stubs.targets.GetTarget(get) == made
    both = change(custom_fields=fields, description="short")
    assert stubs.targets.UpdateTarget(both).custom_fields["text"] == half
    masked = change(custom_fields={"text": "short"}, description=half)
    masked.update_mask.paths[:] = ["description"]
    refused(stubs.targets.UpdateTarget, masked)
    masked.update_mask.paths[:] = ["description", "custom_fields"]
    assert stubs.targets.UpdateTarget(masked).custom_fields["text"] == "short"


def test_configs_and_results_do_not_either(stubs: Stubs, store: Store) -> None:
    half = "x" * (SIZES.request * 6 // 10)
    config = custom_config(namespace="ns", name="c", description=half)
    stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    request = config_service_pb2.UpdateConfigRequest(namespace="ns", name="c")
    request.config.custom_fields["text"] = half
    assert "with this change" in refused(stubs.configs.UpdateConfig, request)[1]
    job_id = Evaluations(stubs, store).complete([1.0])
    result = stubs.jobs.GetJobResult(job_service_pb2.GetJobResultRequest(job_id=job_id))
    change = result_service_pb2.UpdateResultRequest(result_id=result.id)
    change.result.description = half
    assert stubs.results.UpdateResult(change).description == half
    change.result.ClearField("description")
    change.result.project = half
    assert "with this change" in refused(stubs.results.UpdateResult, change)[1]
