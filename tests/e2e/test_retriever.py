"""Retriever jobs that are killed or cancelled while documents are embedded, and their indexes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from milvus_lite.adapter.grpc.server import start_server_in_thread
from pymilvus import MilvusClient

from evald.clients.docstrings import described
from tests.e2e.test_process import children
from tests.e2e.test_rest import Rest
from tests.endpoint import Endpoint
from tests.service import Service

WAIT_SECONDS = 60
"""What talks to Milvus takes seconds to import, on a busy machine many."""

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


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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


def kill_children(service: Service) -> None:
    for pid in children(service.pid):
        with suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_job_embeds_no_document_again(service: Service, slow: Endpoint) -> None:
    rest = Rest(service)
    job_id = started(rest, slow)
    kill_children(service)
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
    await_that((folder / "1" / "vectors.db").exists)
    rest("POST", f"/jobs/{job_id}/cancel")
    assert rest.finish(job_id)["status"] == "cancelled"
    await_that(lambda: not folder.exists())
    assert sum(embedded(slow).values()) < DOCUMENTS


Collections = Callable[[], list[str]]


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[str]:
    """URL of a Milvus server: milvus-lite's, which speaks gRPC as any other does."""
    server, database, port = start_server_in_thread(str(tmp_path / "served.db"), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    server.stop(grace=0).wait()
    database.close()


@pytest.fixture
def collections(milvus: str) -> Iterator[Collections]:
    """Lists the collections of the Milvus server."""
    client = MilvusClient(milvus)
    yield lambda: list(client.list_collections())
    client.close()


@pytest.fixture
def beside(milvus: str, tmp_path: Path) -> Iterator[Service]:
    """A service that keeps its indexes in the Milvus server."""
    with Service(tmp_path / "data", EVALD_MILVUS_URL=milvus, EVALD_MAX_ATTEMPTS="1") as service:
        yield service


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_job_that_ends_with_its_child_killed_leaves_no_collection(
    beside: Service, slow: Endpoint, collections: Collections
) -> None:
    rest = Rest(beside)
    job_id = started(rest, slow)
    await_that(collections)
    kill_children(beside)
    assert rest.finish(job_id)["status"] == "failed"
    await_that(lambda: not collections())
    await_that(lambda: not list((beside.data_dir / "collections").iterdir()))


def test_a_cancelled_job_leaves_no_collection(
    beside: Service, slow: Endpoint, collections: Collections
) -> None:
    rest = Rest(beside)
    job_id = started(rest, slow)
    await_that(collections)
    rest("POST", f"/jobs/{job_id}/cancel")
    assert rest.finish(job_id)["status"] == "cancelled"
    await_that(lambda: not collections())
    await_that(lambda: not list((beside.data_dir / "collections").iterdir()))


def test_a_job_that_a_server_goes_on_with_embeds_no_document_again(
    milvus: str, tmp_path: Path, collections: Collections
) -> None:
    service = Service(tmp_path / "data", EVALD_MILVUS_URL=milvus, EVALD_GRACE_SECONDS="1")
    with Endpoint(latency=0.5) as slower:
        with service:
            job_id = started(Rest(service), slower)
            await_that(collections)
        assert collections(), "what was told to end leaves it to the next attempt"
        with service:
            assert Rest(service).finish(job_id)["status"] == "completed"
            assert not collections()
    wanted = Counter(text for *_, text in described()[:DOCUMENTS])
    assert (embedded(slower) - wanted).total() <= BATCH


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_job_that_is_cancelled_when_its_child_was_killed_leaves_no_collection(
    milvus: str, tmp_path: Path, slow: Endpoint, collections: Collections
) -> None:
    """It is deleted as well, and the server goes down before it can drop anything."""
    service = Service(tmp_path / "data", EVALD_MILVUS_URL=milvus)
    service.start()
    try:
        rest = Rest(service)
        job_id = started(rest, slow)
        await_that(collections)
        kill_children(service)
        rest("POST", f"/jobs/{job_id}/cancel")
        assert rest.finish(job_id)["status"] == "cancelled"
        rest("DELETE", f"/jobs/{job_id}")
    finally:
        service.stop(signal.SIGKILL)
    with service:
        await_that(lambda: not collections())
        job_id = started(Rest(service), slow)
        assert Rest(service).finish(job_id)["status"] == "completed"
        assert not collections(), "dropped by the child"
