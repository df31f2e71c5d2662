"""Retrieval by a checkpoint that makes the embeddings, on the GPU that the job leases for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evald.clients.docstrings import described
from tests.e2e.test_rest import Rest
from tests.local.test_encoder import bert, embed
from tests.service import Service

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DOCUMENTS = 40
QUERIES = 5
TOP_K = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert(tmp_path_factory.mktemp("model") / "bert")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Service]:
    """A service with one simulated GPU, and places for two jobs."""
    settings = {"EVALD_GPUS": "1", "EVALD_SLOTS": "2", "EVALD_FILE_ROOTS": str(folder.parent)}
    with Service(tmp_path_factory.mktemp("data"), OMP_NUM_THREADS="1", **settings) as service:
        yield service


def job_of(folder: Path) -> dict[str, Any]:
    model = {"artifact": {"files_url": f"file://{folder}"}}
    models = {"query_embedding_model": model, "index_embedding_model": model}
    task = {
        "type": "beir",
        "dataset": {"files_url": "file://python/", "limit": DOCUMENTS},
        "metrics": {"recall_5": {"type": "recall_5"}},
    }
    pipeline = {**models, "top_k": TOP_K}
    return {
        "target": {"type": "retriever", "retriever": {"pipeline": pipeline}},
        "config": {
            "type": "retriever",
            "params": {"limit_samples": QUERIES},
            "tasks": {"find": task},
        },
    }


def unit(vectors: Any) -> Any:
    made = np.asarray(vectors)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_two_jobs_embed_one_after_the_other(service: Service, folder: Path) -> None:
    rest = Rest(service)
    ids = [rest("POST", "/jobs", 201, json=job_of(folder))["id"] for _ in range(2)]
    jobs = [rest.finish(job_id) for job_id in ids]
    assert [(job["status"], job.get("error")) for job in jobs] == [("completed", None)] * 2
    first, second = (
        {change["status"]: change["at"] for change in job["state_history"]} for job in jobs
    )
    assert second["running"] >= first["completed"], "there is one GPU, and each leases it"

    names, queries, texts = zip(*islice(described(), DOCUMENTS), strict=True)
    near = unit(embed(folder, list(queries[:QUERIES]))) @ unit(embed(folder, list(texts))).T
    for job_id in ids:
        samples = rest("GET", f"/jobs/{job_id}/samples?page_size=100")["data"]
        found = {one["item"]["query_id"]: one["sample"]["retrieved"] for one in samples}
        assert found.keys() == set(names[:QUERIES])
        for row, name in enumerate(names[:QUERIES]):
            scores = dict(zip(names, near[row], strict=True))
            assert [one["score"] for one in found[name]] == pytest.approx(
                sorted(scores.values(), reverse=True)[:TOP_K], abs=1e-4
            )
            assert [one["score"] for one in found[name]] == pytest.approx(
                [scores[one["id"]] for one in found[name]], abs=1e-4
            )
        stats = rest("GET", f"/jobs/{job_id}/results")["tasks"]["find"]["metrics"][
            "retriever.recall_5"
        ]["scores"]["recall_5"]["stats"]
        assert stats["count"] == QUERIES
