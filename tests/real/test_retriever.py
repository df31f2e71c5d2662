"""Retrieval of the standard library's docstrings by a real embedder, through milvus-lite."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import pytest
import requests
from pytrec_eval import RelevanceEvaluator

from evald.clients.docstrings import described
from tests.real.conftest import Evaluate, ranked

pytestmark = [
    pytest.mark.xdist_group("real"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

DOCUMENTS = 120
QUERIES = 30
CHARACTERS = 300
MEASURES = ("recall_5", "ndcg_cut_10", "recip_rank")


def target(embedder: Any, **more: Any) -> dict[str, Any]:
    models = {"query_embedding_model": embedder, "index_embedding_model": embedder}
    return {"type": "retriever", "retriever": {"pipeline": {**models, **more}}}


def config() -> dict[str, Any]:
    return {
        "type": "retriever",
        "params": {
            "limit_samples": QUERIES,
            "parallelism": 4,
            "extra": {"batch_size": 16, "max_characters": CHARACTERS},
        },
        "tasks": {
            "docs": {
                "type": "beir",
                "dataset": {"files_url": "file://python/", "limit": DOCUMENTS},
                "metrics": {name: {"type": name} for name in MEASURES},
            }
        },
    }


def found_of(samples: list[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        one["item"]["query_id"]: {r["id"]: r["score"] for r in one["sample"]["retrieved"]}
        for one in samples
    }


def means(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    theirs = RelevanceEvaluator({name: {name: 1} for name in found}, set(MEASURES)).evaluate(found)
    return {m: sum(v[m] for v in theirs.values()) / len(theirs) for m in MEASURES}


@pytest.fixture(scope="module")
def exact(embedder: Any) -> dict[str, dict[str, float]]:
    """What an exact search finds for each query, by vectors that the model gives directly."""
    rows = list(islice(described(), DOCUMENTS))

    def vectors(texts: list[str], kind: str) -> Any:
        url = f"{embedder['api_endpoint']['url']}/embeddings"
        answers = [
            requests.post(url, json={"input": text, "input_type": kind}, timeout=60).json()
            for text in texts
        ]
        made = np.array([answer["data"][0]["embedding"] for answer in answers])
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    near = (
        vectors([q for _, q, _ in rows[:QUERIES]], "query")
        @ vectors([text[:CHARACTERS] for *_, text in rows], "passage").T
    )
    return {
        rows[i][0]: {rows[j][0]: float(near[i, j]) for j in np.argsort(-near[i])}
        for i in range(QUERIES)
    }


@pytest.mark.reference("g notebooks retriever", "rule 8")
def test_a_retriever(evaluate: Evaluate, embedder: Any, exact: Any) -> None:
    done = evaluate(target(embedder), config())
    found = found_of(done.samples)
    assert found.keys() == exact.keys()
    for query, run in found.items():
        assert len(run) == 100
        assert list(run.values()) == pytest.approx(
            list(islice(exact[query].values(), 100)), abs=1e-5
        )
    wanted = means(found)
    together = done.result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    for name in MEASURES:
        own = done.tasks["docs"]["metrics"][f"retriever.{name}"]["scores"][name]
        assert own["value"] == pytest.approx(wanted[name], abs=1e-9)
        assert own["stats"]["count"] == QUERIES
        assert together[name]["value"] == own["value"]
    assert wanted["recall_5"] > 0.3  # of a model that has learnt nothing it is 0.04


def test_a_retriever_with_a_reranker(
    evaluate: Evaluate, embedder: Any, reranker: Any, exact: Any
) -> None:
    done = evaluate(target(embedder, reranker_model=reranker, top_k=20), config())
    found = found_of(done.samples)
    texts = {name: rest for name, _, rest in islice(described(), DOCUMENTS)}
    moved = 0
    for one in done.samples:
        run = found[one["item"]["query_id"]]
        near = exact[one["item"]["query_id"]]
        assert len(run) == 20
        assert list(run.values()) == sorted(run.values(), reverse=True)
        assert min(near[name] for name in run) >= list(near.values())[19] - 1e-5
        assert list(run.values()) == pytest.approx(
            ranked(reranker, one["item"]["query"], [texts[name] for name in run]), abs=1e-5
        )
        moved += list(run) != sorted(run, key=near.__getitem__, reverse=True)
    assert moved > QUERIES / 2, "the order is not that of the embeddings"
    value = done.tasks["docs"]["metrics"]["retriever.recip_rank"]["scores"]["recip_rank"]["value"]
    assert value == pytest.approx(means(found)["recip_rank"], abs=1e-9)
