"""llama-stack's provider: benchmarks are configs of one namespace, models are names."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.e2e.test_rest import chat_config, fresh
from tests.endpoint import Endpoint
from tests.service import Service

STATUSES = {
    "created": "scheduled",
    "pending": "scheduled",
    "running": "in_progress",
    "completed": "completed",
    "cancelled": "cancelled",
}
"""Every other status is a failure to it."""


class LlamaStack:
    """Reads JSON from each answer, and raises on each that is an error."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1/evaluation"

    def get(self, path: str) -> Any:
        answer = requests.get(url=f"{self.url}{path}")
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, data: Any) -> Any:
        answer = requests.post(url=f"{self.url}{path}", json=data)
        answer.raise_for_status()
        return answer.json()

    def register(self, benchmark: str, metadata: dict[str, Any]) -> None:
        self.post("/configs", {"namespace": "nvidia", "name": benchmark, **metadata})

    def unregister(self, benchmark: str) -> None:
        requests.delete(url=f"{self.url}/configs/nvidia/{benchmark}").raise_for_status()

    def run(self, benchmark: str, model: str) -> str:
        target = {"type": "model", "model": model}
        return str(self.post("/jobs", {"config": f"nvidia/{benchmark}", "target": target})["id"])

    def status(self, job_id: str) -> str:
        return STATUSES.get(self.get(f"/jobs/{job_id}")["status"], "failed")

    def cancel(self, job_id: str) -> None:
        self.post(f"/jobs/{job_id}/cancel", {})

    def result(self, job_id: str) -> Any:
        assert self.status(job_id) == "completed"
        return self.get(f"/jobs/{job_id}/results")

    def wait(self, job_id: str) -> list[str]:
        seen = []
        deadline = time.monotonic() + 30
        while (status := self.status(job_id)) in {"scheduled", "in_progress"}:
            seen.append(status)
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return [*seen, status]


@pytest.fixture
def stack(service: Service) -> LlamaStack:
    return LlamaStack(service.rest)


@pytest.mark.reference("g llama-stack", "rule 9", "rule 4")
def test_a_benchmark(stack: LlamaStack, files_url: str) -> None:
    benchmark = fresh()
    stack.register(benchmark, chat_config(files_url))
    with pytest.raises(requests.HTTPError, match=r"^4"):
        stack.register(benchmark, chat_config(files_url))
    job_id = stack.run(benchmark, "meta/llama-3.1-8b-instruct")
    seen = stack.wait(job_id)
    assert seen[-1] == "completed"
    assert seen == sorted(seen, key=["scheduled", "in_progress", "completed"].index)
    scores = stack.result(job_id)["tasks"]["qa"]["metrics"]["match"]["scores"]
    assert scores["string-check"]["value"] == pytest.approx(0.6)
    stack.cancel(job_id)
    assert stack.status(job_id) == "completed"
    with pytest.raises(requests.HTTPError, match=r"^409"):
        stack.unregister(benchmark)
    requests.delete(f"{stack.url}/jobs/{job_id}").raise_for_status()
    stack.unregister(benchmark)
    with pytest.raises(requests.HTTPError, match=r"^404"):
        stack.run(benchmark, "meta/llama-3.1-8b-instruct")


@pytest.mark.reference("g llama-stack", "rule 4")
def test_a_job_cancelled(stack: LlamaStack, files_url: str, inference: Endpoint) -> None:
    benchmark = fresh()
    stack.register(benchmark, chat_config(files_url, parallelism=1))
    inference.latency = 1
    try:
        job_id = stack.run(benchmark, "meta/slow")
        stack.cancel(job_id)
        stack.cancel(job_id)
        deadline = time.monotonic() + 30
        while stack.get(f"/jobs/{job_id}")["status"] != "cancelled":
            assert time.monotonic() < deadline
    finally:
        inference.latency = 0
    assert stack.status(job_id) == "cancelled"
