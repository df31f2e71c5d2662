"""Rankings of passages, asked for at an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from evald.clients.model import ModelClients
from evald.clients.retry import Backoff
from evald.errors import EvaluationError
from evald.settings import ClientSettings
from tests.endpoint import Answer, Endpoint

PASSAGES = ["zero", "one two three", "one"]


def nim(request: Mapping[str, Any]) -> dict[str, Any]:
    """As NVIDIA's NIM ranks: the best first, here the longest."""
    lengths = [(len(p["text"]), i) for i, p in enumerate(request["passages"])]
    return {"rankings": [{"index": i, "logit": float(n)} for n, i in sorted(lengths)[::-1]]}


def cohere(request: Mapping[str, Any]) -> dict[str, Any]:
    """As Cohere and Jina rank."""
    lengths = [(len(text), i) for i, text in enumerate(request["documents"])]
    return {"results": [{"index": i, "relevance_score": n} for n, i in sorted(lengths)[::-1]]}


def rank(url: str, settings: ClientSettings) -> Sequence[float]:
    async def run() -> Sequence[float]:
        model = {"api_endpoint": {"url": url, "model_id": "r"}}
        client = ModelClients(settings, Backoff(base=0.001)).reranker(model, {})
        try:
            return await client.rank("how many?", PASSAGES)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("end", "path"), [("", "/v1"), ("/v1", "/v1"), ("/v1/ranking", "/v1"), ("/r/ranking", "/r")]
)
def test_nim(settings: ClientSettings, end: str, path: str) -> None:
    with Endpoint(more={"/ranking": nim}) as endpoint:
        assert rank(endpoint.root + end, settings) == [4.0, 13.0, 3.0]
    [request] = endpoint.requests
    assert request.path == f"{path}/ranking"
    assert request.body == {
        "model": "r",
        "query": {"text": "how many?"},
        "passages": [{"text": text} for text in PASSAGES],
        "truncate": "END",
    }


def test_cohere_and_jina(settings: ClientSettings) -> None:
    with Endpoint(more={"/rerank": cohere}) as endpoint:
        assert rank(f"{endpoint.url}/rerank", settings) == [4.0, 13.0, 3.0]
    [request] = endpoint.requests
    assert request.body == {
        "model": "r",
        "query": "how many?",
        "documents": PASSAGES,
        "top_n": 3,
    }


@pytest.mark.parametrize(
    "rankings",
    [
        [],
        [{"index": 0, "logit": 1.0}, {"index": 1, "logit": 1.0}],
        [{"index": i, "logit": "much"} for i in range(3)],
        [{"index": i} for i in range(3)],
        "abc",
        3,
    ],
)
def test_what_is_no_ranking(settings: ClientSettings, rankings: Any) -> None:
    answer = Answer(200, orjson.dumps({"rankings": rankings}))
    with Endpoint(always=answer) as endpoint, pytest.raises(EvaluationError) as caught:
        rank(endpoint.url, settings)
    assert caught.value.kind == "bad_schema"
    assert "rankings" in caught.value.message


def test_a_url_for_embeddings_ranks_nothing(settings: ClientSettings) -> None:
    with pytest.raises(EvaluationError, match=r"set api_endpoint.url to http://m:1/v1/ranking"):
        rank("http://m:1/v1/embeddings", settings)
