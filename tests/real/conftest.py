"""Real models on this machine's CPU, and the official client to evaluate them by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import requests
from nemo_microservices import NeMoMicroservices

from demo.embedder import NAME as EMBEDDER
from demo.embedder import Embedder
from demo.model import NAME as MODEL
from demo.model import Model
from demo.reranker import NAME as RERANKER
from demo.reranker import Reranker
from tests.service import Service

SECONDS = 100


class Evaluated(NamedTuple):
    """The result of a job as the official client reads it, and its samples."""

    result: Mapping[str, Any]
    samples: list[Mapping[str, Any]]

    @property
    def tasks(self) -> Mapping[str, Any]:
        tasks: Mapping[str, Any] = self.result["tasks"]
        return tasks


Evaluate = Callable[[Mapping[str, Any], Mapping[str, Any]], Evaluated]


def at(url: str, name: str) -> dict[str, Any]:
    return {"api_endpoint": {"url": url, "model_id": name}}


def ranked(reranker: Mapping[str, Any], query: str, passages: Sequence[str]) -> list[float]:
    """The score of each passage, as the reranker itself says."""
    url = f"{reranker['api_endpoint']['url']}/ranking"
    asked = {"query": {"text": query}, "passages": [{"text": one} for one in passages]}
    rankings = requests.post(url, json=asked, timeout=60).json()["rankings"]
    return [one["logit"] for one in sorted(rankings, key=itemgetter("index"))]


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A small language model."""
    with Model(tmp_path_factory.mktemp("model") / "log") as served:
        yield at(served.url, MODEL)


@pytest.fixture(scope="package")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A small model of embeddings."""
    with Embedder(tmp_path_factory.mktemp("embedder") / "log") as served:
        yield at(served.url, EMBEDDER)


@pytest.fixture(scope="package")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A ranking of passages."""
    with Reranker(tmp_path_factory.mktemp("reranker") / "log") as served:
        yield at(served.url, RERANKER)


@pytest.fixture
def put(service: Service) -> Callable[[str, Path], str]:
    """Stores a data set of the test's own, whatever others call theirs, and answers its URL."""
    own = uuid4().hex[:8]
    return lambda name, path: service.run("datasets", "put", f"real/{name}-{own}", str(path))


@pytest.fixture
def evaluate(service: Service) -> Evaluate:
    """Evaluates a target by a config, over REST, and reads what came of it."""

    def evaluate(target: Mapping[str, Any], config: Mapping[str, Any]) -> Evaluated:
        with NeMoMicroservices(base_url=service.rest) as client:
            jobs = client.evaluation.jobs
            job = jobs.create(namespace="real", target=target, config=config)
            deadline = time.monotonic() + SECONDS
            while (now := jobs.status(job.id)).status not in ("completed", "failed"):
                assert time.monotonic() < deadline, now
                time.sleep(0.1)
            url = f"{service.rest}/v1/evaluation/jobs/{job.id}"
            assert now.status == "completed", requests.get(url, timeout=30).text
            result = jobs.results(job.id).to_dict()
        samples = requests.get(f"{url}/samples?page_size=1000", timeout=30).json()["data"]
        return Evaluated(result, samples)

    return evaluate
