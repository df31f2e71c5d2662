"""The services over a real gRPC channel."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from evaluation.v1 import (
    config_pb2,
    config_service_pb2,
    job_pb2,
    job_service_pb2,
    result_service_pb2,
    target_pb2,
    target_service_pb2,
)
from tests.rpc.calls import Stubs, custom_config, detail, error_of, new_job, rows_target

SERVICES = {
    f"evaluation.v1.{name}Service"
    for name in ("Job", "Target", "Config", "Result", "Flow", "Executor")
} | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


def test_reflection_lists_every_service(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVICES
    described = database.FindFileContainingSymbol("evaluation.v1.JobService")
    assert described.name == "evaluation/v1/job_service.proto"


@pytest.mark.parametrize(
    ("service", "call", "fields"),
    [
        ("jobs", "GetJob", {"job_id": "a\0"}),
        ("jobs", "WatchJob", {"job_id": "a\0"}),
        ("jobs", "DownloadJobLogs", {"job_id": "a\0"}),
        ("jobs", "CompareJobs", {"baseline_job_id": "a\0", "candidate_job_id": "b"}),
        ("results", "DeleteResult", {"result_id": "\0"}),
        ("targets", "CreateTarget", {"target": rows_target(), "request_id": "\0"}),
        ("targets", "GetTarget", {"namespace": "n\0", "name": "n"}),
        ("configs", "ListConfigs", {"page_token": "\0"}),
    ],
)
def test_a_text_with_a_nul_is_refused_by_its_field(
    stubs: Stubs, service: str, call: str, fields: dict[str, Any]
) -> None:
    method = getattr(getattr(stubs, service), call)
    files = (config_service_pb2, job_service_pb2, result_service_pb2, target_service_pb2)
    kind = next(k for file in files if (k := getattr(file, f"{call}Request", None)))
    error, status = error_of(method, kind(**fields))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = detail(status, error_details_pb2.BadRequest).field_violations
    assert "\0" in str(fields[violation.field])


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x02\xff\xff", b"\x0b" * 200])
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("unary_unary", "/evaluation.v1.TargetService/CreateTarget"),
        ("unary_stream", "/evaluation.v1.JobService/WatchJob"),
        ("unary_unary", "/grpc.health.v1.Health/Check"),
        ("unary_stream", "/grpc.health.v1.Health/Watch"),
        ("stream_stream", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
    ],
)
def test_bytes_that_are_no_message(
    channel: grpc.Channel, kind: str, path: str, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    call = getattr(channel, kind)(path)
    error, status = error_of(call, iter([data]) if kind == "stream_stream" else data)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(status, error_details_pb2.ErrorInfo).reason == "INVALID_ARGUMENT"
    assert not caplog.records  # anybody could fill the log


def test_health(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "evaluation.v1.JobService"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert stub.Check(request).status == health_pb2.HealthCheckResponse.SERVING
        watched = stub.Watch(request, timeout=10)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        watched.cancel()


def test_target_created_read_listed_deleted(stubs: Stubs) -> None:
    created = stubs.targets.CreateTarget(
        target_service_pb2.CreateTargetRequest(target=rows_target(name="n", namespace="ns"))
    )
    assert created.id.startswith("eval-target-")
    get = target_service_pb2.GetTargetRequest(namespace="ns", name="n")
    assert stubs.targets.GetTarget(get) == created
    listed = stubs.targets.ListTargets(
        target_service_pb2.ListTargetsRequest(filter={"namespace": "ns"})
    )
    assert list(listed.data) == [created]
    assert listed.object == "list"
    assert listed.pagination.total_results == 1
    assert listed.filter.namespace == "ns"
    delete = target_service_pb2.DeleteTargetRequest(namespace="ns", name="n")
    assert stubs.targets.DeleteTarget(delete).id == created.id
    assert error_of(stubs.targets.GetTarget, get)[0].code() == grpc.StatusCode.NOT_FOUND


def test_api_key_is_masked_wherever_it_is_shown(stubs: Stubs) -> None:
    endpoint = {"url": "http://localhost/v1", "model_id": "m", "api_key": "canary"}
    target = target_pb2.Target(type=target_pb2.TARGET_TYPE_MODEL, name="n")
    target.inline_model.api_endpoint.MergeFrom(target_pb2.Target().inline_model.api_endpoint)
    for key, value in endpoint.items():
        setattr(target.inline_model.api_endpoint, key, value)
    created = stubs.targets.CreateTarget(target_service_pb2.CreateTargetRequest(target=target))
    assert created.inline_model.api_endpoint.api_key == "******"
    job = job_pb2.Job(target="default/n", inline_config=custom_config())
    assert "canary" not in str(stubs.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job)))
    assert "canary" not in str(stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()))


def test_job_carries_target_and_config_in_full(stubs: Stubs) -> None:
    stubs.targets.CreateTarget(
        target_service_pb2.CreateTargetRequest(target=rows_target(name="t", namespace="ns"))
    )
    stubs.configs.CreateConfig(
        config_service_pb2.CreateConfigRequest(config=custom_config(name="c", namespace="ns"))
    )
    job = job_pb2.Job(namespace="ns", target="ns/t", config="ns/c")
    created = stubs.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job))
    assert created.id.startswith("eval-")
    assert created.status == job_pb2.JOB_STATUS_CREATED
    assert created.inline_target.name == "t"
    assert created.inline_target.type_prefix == "eval-target"
    assert created.inline_config.schema_version == "1.0"
    got = stubs.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=created.id))
    assert [change.status for change in got.state_history] == [job_pb2.JOB_STATUS_CREATED]
    status = stubs.jobs.GetJobStatus(job_service_pb2.GetJobStatusRequest(job_id=created.id))
    assert status.status == job_pb2.JOB_STATUS_CREATED
    assert not status.HasField("progress")


def test_validate_only_stores_nothing(stubs: Stubs) -> None:
    request = new_job()
    request.validate_only = True
    assert stubs.jobs.CreateJob(request).id == ""
    assert not stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data


def test_same_request_id_gives_the_same_job(stubs: Stubs) -> None:
    request = new_job()
    request.request_id = "r"
    assert stubs.jobs.CreateJob(request).id == stubs.jobs.CreateJob(request).id
    request.job.description = "another"
    error, status = error_of(stubs.jobs.CreateJob, request)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert detail(status, error_details_pb2.ErrorInfo).metadata["http_status"] == "409"


def test_cancelled_and_deleted(stubs: Stubs) -> None:
    job_id = stubs.jobs.CreateJob(new_job()).id
    cancelled = stubs.jobs.CancelJob(job_service_pb2.CancelJobRequest(job_id=job_id))
    assert cancelled.status == job_pb2.JOB_STATUS_CANCELLED
    stubs.jobs.DeleteJob(job_service_pb2.DeleteJobRequest(job_id=job_id))
    get = job_service_pb2.GetJobRequest(job_id=job_id)
    assert error_of(stubs.jobs.GetJob, get)[0].code() == grpc.StatusCode.NOT_FOUND


def test_archive_comes_in_parts_with_its_name(stubs: Stubs) -> None:
    call = stubs.jobs.DownloadJobLogs(job_service_pb2.DownloadJobLogsRequest(job_id="eval-1"))
    assert [(part.content_type, part.data) for part in call] == [
        ("application/zip", b"one"),
        ("application/zip", b"two"),
    ]
    assert ("content-disposition", 'attachment; filename="eval-1-logs.zip"') in [
        (key, value) for key, value in call.initial_metadata()
    ]


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (
            job_service_pb2.CreateJobRequest(),
            grpc.StatusCode.INVALID_ARGUMENT,
            "target",
        ),
        (
            job_service_pb2.CreateJobRequest(job=job_pb2.Job(target="a/b", config="a/b")),
            grpc.StatusCode.NOT_FOUND,
            None,
        ),
        (
            job_service_pb2.CreateJobRequest(
                job=job_pb2.Job(inline_target=target_pb2.Target(), config="a/b")
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "target.type",
        ),
        (
            job_service_pb2.CreateJobRequest(
                job=job_pb2.Job(
                    inline_target=rows_target(),
                    inline_config=config_pb2.Config(type="similarity_metrics"),
                )
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "target.type",
        ),
        (
            job_service_pb2.CreateJobRequest(
                job=job_pb2.Job(
                    inline_target=rows_target(), inline_config=custom_config(params={"gpus": 2})
                )
            ),
            grpc.StatusCode.INVALID_ARGUMENT,
            "config.params.gpus",
        ),
        (new_job(max_runtime=0), grpc.StatusCode.INVALID_ARGUMENT, "max_runtime"),
        (new_job(priority=101), grpc.StatusCode.INVALID_ARGUMENT, "priority"),
        (new_job(namespace="a b"), grpc.StatusCode.INVALID_ARGUMENT, "namespace"),
    ],
)
def test_job_that_cannot_be_created_says_why(
    stubs: Stubs, request_: Any, code: grpc.StatusCode, field: str | None
) -> None:
    error, status = error_of(stubs.jobs.CreateJob, request_)
    assert error.code() == code
    info = detail(status, error_details_pb2.ErrorInfo)
    assert info.domain == "evald"
    if field is not None:
        violations = detail(status, error_details_pb2.BadRequest).field_violations
        assert [v.field for v in violations] == [field]
    assert not stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data


def test_unexpected_error_tells_nothing_but_its_request_id(stubs: Stubs) -> None:
    request = job_service_pb2.DownloadJobResultsRequest(job_id="broken")
    call = stubs.jobs.DownloadJobResults(request, metadata=(("x-request-id", "my-id"),))
    with pytest.raises(grpc.RpcError) as e:
        list(call)
    assert e.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in str(e.value)
    assert ("x-request-id", "my-id") in [(k, v) for k, v in e.value.trailing_metadata()]


def test_streams_never_starve_unary_calls(stubs: Stubs) -> None:
    request = job_service_pb2.DownloadJobResultsRequest(job_id="endless")
    streams = [stubs.jobs.DownloadJobResults(request) for _ in range(4)]
    for stream in streams:
        assert next(stream).data
    error, status = error_of(stubs.jobs.DownloadJobResults, request)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail(status, error_details_pb2.RetryInfo).retry_delay.seconds == 1
    for _ in range(20):
        stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest(), timeout=5)
    for stream in streams:
        stream.cancel()


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("JobService/GetJob", b"\xff\xff\xff"),
        ("JobService/DownloadJobLogs", b"\xff\xff\xff"),
        ("JobService/CompareJobs", b"\xff\xff\xff"),
    ],
)
def test_bytes_that_are_no_message_are_refused(
    channel: grpc.Channel, method: str, data: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as e:
        list(channel.unary_stream(f"/evaluation.v1.{method}")(data))
    assert e.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_samples_of_no_job_are_not_found(stubs: Stubs) -> None:
    error, _ = error_of(stubs.jobs.ListJobSamples, job_service_pb2.ListJobSamplesRequest())
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_call_whose_time_is_over_is_not_begun(stubs: Stubs) -> None:
    with pytest.raises(grpc.RpcError) as e:
        stubs.jobs.CreateJob(new_job(), timeout=0.000001)
    assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert not stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data


def test_numbers_that_a_struct_holds_come_back_as_they_were(stubs: Stubs) -> None:
    fields = struct_pb2.Struct()
    fields.update({"seed": 2**53, "ratio": 0.1})
    created = stubs.targets.CreateTarget(
        target_service_pb2.CreateTargetRequest(target=rows_target(custom_fields=fields))
    )
    assert created.custom_fields == fields
