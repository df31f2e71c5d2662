"""The official client, unmodified, and gRPC stubs."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format
from nemo_microservices import NeMoMicroservices, NotFoundError

from evaluation.v1 import (
    config_pb2,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    target_pb2,
)
from tests.e2e.test_rest import chat_config, fresh, model_target, put
from tests.endpoint import Endpoint
from tests.service import Service


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_official_client(service: Service, endpoint: Endpoint, rows_file: Path) -> None:
    ns = fresh()
    files_url = put(service, f"{ns}/data", rows_file)
    with NeMoMicroservices(base_url=service.rest) as client:
        evaluation = client.evaluation
        target = evaluation.targets.create(namespace=ns, name="t", **model_target(endpoint))
        assert target.model.api_endpoint.model_id == "echo"
        config = evaluation.configs.create(namespace=ns, name="c", **chat_config(files_url))
        job = evaluation.jobs.create(namespace=ns, target=f"{ns}/t", config=f"{ns}/c")
        assert job.target.id == target.id
        assert job.config.id == config.id
        assert job.created_at.tzinfo is None
        deadline = time.monotonic() + 30
        while evaluation.jobs.status(job.id).progress != 100.0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert evaluation.jobs.retrieve(job.id).status == "completed"
        result = evaluation.jobs.results(job.id)
        score = result.tasks["qa"].metrics["match"].scores["string-check"]
        assert score.value == pytest.approx(0.6)
        assert score.stats.count == 10
        with zipfile.ZipFile(io.BytesIO(evaluation.jobs.download_results(job.id).read())) as z:
            assert "results.json" in z.namelist()
        pages = evaluation.targets.list(filter={"namespace": ns}, page_size=1)
        assert [t.id for t in pages] == [target.id]
        evaluation.jobs.delete(job.id)
        with pytest.raises(NotFoundError):
            evaluation.jobs.retrieve(job.id)
        assert evaluation.targets.delete("t", namespace=ns).id == target.id
        assert evaluation.configs.delete("c", namespace=ns).id == config.id


def test_grpc_stubs(service: Service, endpoint: Endpoint, rows_file: Path) -> None:
    files_url = put(service, f"{fresh()}/data", rows_file)
    config = config_pb2.Config(type="custom")
    task = config.tasks["qa"]
    task.type = "chat-completion"
    task.inline_dataset.files_url = files_url
    plain = chat_config(files_url)["tasks"]["qa"]
    json_format.ParseDict(plain["params"], task.params)
    json_format.ParseDict(plain["metrics"]["match"]["params"], task.metrics["match"].params)
    task.metrics["match"].type = "string-check"
    target = target_pb2.Target(type=target_pb2.TARGET_TYPE_MODEL)
    target.inline_model.api_endpoint.url = endpoint.url
    target.inline_model.api_endpoint.model_id = "echo"
    with grpc.insecure_channel(service.grpc) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        job = stub.CreateJob(
            job_service_pb2.CreateJobRequest(
                job=job_pb2.Job(inline_target=target, inline_config=config)
            )
        )
        get = job_service_pb2.GetJobRequest(job_id=job.id)
        deadline = time.monotonic() + 30
        while stub.GetJob(get).status != job_pb2.JOB_STATUS_COMPLETED:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        result = stub.GetJobResult(job_service_pb2.GetJobResultRequest(job_id=job.id))
        score = result.tasks["qa"].metrics["match"].scores["string-check"]
        assert score.value == pytest.approx(0.6)
        request = job_service_pb2.DownloadJobResultsRequest(job_id=job.id)
        data = b"".join(part.data for part in stub.DownloadJobResults(request))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert "results.json" in archive.namelist()
