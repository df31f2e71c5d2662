"""A retriever job that is killed, and one that is cancelled, while documents are embedded."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evald.clients.docstrings import described
from tests.e2e.test_process import await_that, children
from tests.e2e.test_rest import Rest
from tests.endpoint import Endpoint
from tests.service import Service

DOCUMENTS = 80
BATCH = 8


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "data") as service:
        yield service


@pytest.fixture
def slow() -> Iterator[Endpoint]:
    with Endpoint(latency=0.05) as endpoint:
        yield endpoint


def started(rest: Rest, endpoint: Endpoint) -> str:
    """A job that has embedded some documents, but not all."""
    model = {"api_endpoint": {"url": endpoint.url, "model_id": "words"}}
    pipeline = {"query_embedding_model": model, "index_embedding_model": model}
    task = {
        "type": "beir",
        "dataset": {"files_url": "file://python/", "limit": DOCUMENTS},
        "metrics": {"recall_5": {"type": "recall_5"}},
    }
    body = {
        "target": {"type": "retriever", "retriever": {"pipeline": pipeline}},
        "config": {
            "type": "retriever",
            "params": {"parallelism": 1, "limit_samples": 5, "extra": {"batch_size": BATCH}},
            "tasks": {"find": task},
        },
    }
    job_id: str = rest("POST", "/jobs", 201, json=body)["id"]
    await_that(lambda: len(endpoint.requests) >= 3)
    return job_id


def embedded(endpoint: Endpoint) -> Counter[str]:
    """How often each document was embedded."""
    bodies: list[Any] = [request.body for request in endpoint.requests]
    return Counter(t for b in bodies if b["input_type"] == "passage" for t in b["input"])


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_job_embeds_no_document_again(service: Service, slow: Endpoint) -> None:
    rest = Rest(service)
    job_id = started(rest, slow)
    for pid in children(service.pid):
        if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
            os.kill(pid, signal.SIGKILL)
    job = rest.finish(job_id)
    assert job["status"] == "completed"
    assert job["status_details"]["samples_processed"] == 5, "documents are no samples"
    wanted = Counter(text for *_, text in described()[:DOCUMENTS])
    counts = embedded(slow)
    again = counts - wanted
    assert wanted - counts == Counter()
    assert again.total() <= BATCH, "only what was asked when it was killed"
    result = rest("GET", f"/jobs/{job_id}/results")
    stats = result["tasks"]["find"]["metrics"]["retriever.recall_5"]["scores"]["recall_5"]["stats"]
    assert stats["count"] == 5


def test_a_cancelled_job_leaves_nothing(service: Service, slow: Endpoint) -> None:
    rest = Rest(service)
    job_id = started(rest, slow)
    folder = service.data_dir / "runs" / job_id
    await_that((folder / "vectors.db").exists)
    rest("POST", f"/jobs/{job_id}/cancel")
    assert rest.finish(job_id)["status"] == "cancelled"
    await_that(lambda: not folder.exists())
    assert sum(embedded(slow).values()) < DOCUMENTS
