"""The published client of the reference API, unchanged, against the gateway."""

import nemo_microservices
import pytest
from google.api import httpbody_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from evaluation.v1 import job_pb2, job_service_pb2, page_pb2, target_pb2, target_service_pb2


@pytest.fixture
def client(gateway):
    with nemo_microservices.NeMoMicroservices(base_url=gateway.origin, max_retries=0) as client:
        yield client


def test_targets(gateway, client):
    gateway.stub.answers["CreateTarget"] = lambda request: request.target
    target = client.evaluation.targets.create(
        name="t",
        namespace="ns",
        type="model",
        model={"api_endpoint": {"url": "http://m/v1", "model_id": "m", "format": "openai"}},
        custom_fields={"team": "a"},
    )
    assert (target.type, target.model.api_endpoint.format) == ("model", "openai")
    assert target.custom_fields == {"team": "a"}

    client.evaluation.targets.update("t", namespace="ns", description="new")
    assert gateway.stub.requests[-1].target == target_pb2.Target(description="new")

    gateway.stub.answers["DeleteTarget"] = page_pb2.DeleteResponse(message="gone", id="x")
    assert client.evaluation.targets.delete("t", namespace="ns").message == "gone"


def test_jobs(gateway, client):
    gateway.stub.answers["CreateJob"] = lambda request: request.job
    job = client.evaluation.jobs.create(
        target={"type": "rows", "rows": [{"a": 1}]},
        config={"type": "custom", "params": {"stop": "END", "temperature": 0.5}},
    )
    assert (job.target.rows, job.config.params.stop) == ([{"a": 1.0}], ["END"])
    assert job.description is None

    gateway.stub.answers["GetJobStatus"] = job_pb2.JobStatusDetails(
        message="m", task_status={"qa": job_pb2.TASK_STATUS_COMPLETED}, progress=100
    )
    details = client.evaluation.jobs.status("eval-1")
    assert (details.message, details.progress) == ("m", 100.0)
    assert details.task_status == {"qa": "completed"}

    client.evaluation.jobs.cancel("eval-1")
    client.evaluation.jobs.delete("eval-1")
    assert [request.job_id for request in gateway.stub.requests[-2:]] == ["eval-1", "eval-1"]


def test_lists_with_filters_page_by_page(gateway, client):
    def page(request):
        more = request.page < 3
        jobs = [job_pb2.Job(id=f"eval-{request.page or 1}")] if more else []
        return job_service_pb2.ListJobsResponse(
            object="list",
            data=jobs,
            pagination=page_pb2.Pagination(page=request.page or 1, page_size=1),
            filter=request.filter,
            search=request.search,
        )

    gateway.stub.answers["ListJobs"] = page
    jobs = client.evaluation.jobs.list(
        filter={
            "target": {"name": "t"},
            "status": "running",
            "created_at": {"gte": "2025-03-18"},
            "custom_fields": {"team": "a"},
        },
        search={"status": ["running", "created"], "created_at": {"start": "2025-01-01T00:00:00"}},
        sort="-created_at",
        page_size=1,
    )
    assert [job.id for job in jobs] == ["eval-1", "eval-2"]
    first = gateway.stub.requests[0]
    assert first.filter == job_service_pb2.JobFilter(
        inline_target=target_service_pb2.TargetFilter(name="t"),
        status=job_pb2.JOB_STATUS_RUNNING,
        inline_created_at=page_pb2.DateTimeFilter(gte="2025-03-18"),
        custom_fields=["team=a"],
    )
    assert list(first.search.status) == ["running", "created"]
    assert len(gateway.stub.requests) == 3


def test_a_download(gateway, client):
    body = httpbody_pb2.HttpBody(content_type="application/zip", data=b"PK\x03\x04")
    gateway.stub.answers["DownloadJobResults"] = lambda request: iter([body, body])
    assert client.evaluation.jobs.download_results("eval-1").read() == body.data * 2


def test_errors(gateway, client):
    detail = AnyMessage()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[{"field": "job.target"}]))
    for code, details, error in (
        (code_pb2.NOT_FOUND, [], nemo_microservices.NotFoundError),
        (code_pb2.ALREADY_EXISTS, [], nemo_microservices.ConflictError),
        (code_pb2.INVALID_ARGUMENT, [], nemo_microservices.BadRequestError),
        (code_pb2.INVALID_ARGUMENT, [detail], nemo_microservices.UnprocessableEntityError),
        (code_pb2.INTERNAL, [], nemo_microservices.InternalServerError),
    ):
        gateway.stub.answers["CreateJob"] = status_pb2.Status(
            code=code, message="because", details=details
        )
        with pytest.raises(error, match="because"):
            client.evaluation.jobs.create(target="a/b", config="a/c")
