"""Two models on the same questions, compared over REST and gRPC."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from evaluation.v1 import job_service_pb2, job_service_pb2_grpc
from tests.e2e.test_rest import Rest, chat_config, fresh, model_target, put
from tests.endpoint import Endpoint
from tests.service import Service

KEYS = {
    "task", "metric", "score", "pairs", "baseline_mean", "candidate_mean", "p_value", "difference",
    "stderr", "interval_low", "interval_high", "wins", "losses", "ties",
}  # fmt: skip


def test_comparison(service: Service, endpoint: Endpoint, rows_file: Path) -> None:
    rest, ns = Rest(service), fresh()
    config = chat_config(put(service, f"{ns}/data", rows_file))
    jobs = []
    with Endpoint(reply="other") as parrot:
        for model in (parrot, endpoint):
            body = {"target": model_target(model), "config": config}
            jobs.append(rest.finish(rest("POST", "/jobs", 201, json=body)["id"])["id"])
    asked = dict(zip(("baseline_job_id", "candidate_job_id"), jobs, strict=True))
    [found] = rest("POST", "/jobs:compare", json=asked)["comparisons"]
    assert set(found) == KEYS
    # The parrot is right about the last four, the echo about the first six.
    assert (found["pairs"], found["wins"], found["losses"], found["ties"]) == (10, 6, 4, 0)
    assert (found["baseline_mean"], found["candidate_mean"]) == (0.4, 0.6)
    assert found["difference"] == pytest.approx(0.2)
    assert found["stderr"] == pytest.approx(0.3265986)
    assert found["interval_low"] < 0 < found["interval_high"]
    assert found["p_value"] == pytest.approx(0.5554454)

    with grpc.insecure_channel(service.grpc) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        answer = stub.CompareJobs(job_service_pb2.CompareJobsRequest(**asked), timeout=10)
    assert answer.comparisons[0].p_value == found["p_value"]

    rest("POST", "/jobs:compare", 404, json={**asked, "baseline_job_id": "eval-none"})
    [problem] = rest("POST", "/jobs:compare", 422, json={})["detail"]
    assert problem["loc"] == ["body", "baseline_job_id"]
