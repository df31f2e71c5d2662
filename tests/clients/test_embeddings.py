"""Embeddings, asked for at an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from evald.clients.model import ModelClients
from evald.clients.retry import Backoff
from evald.errors import EvaluationError
from evald.model import TextKind
from evald.settings import ClientSettings
from tests.endpoint import BUSY, Answer, Endpoint, bags_of_words

TEXTS = ["the cat sat", "a dog", "the cat sat"]


def embed(
    url: str, settings: ClientSettings, *kinds: TextKind | None, texts: Sequence[str] = TEXTS
) -> list[Any]:
    """The vectors of the texts for each kind, by one client."""

    async def run() -> list[Any]:
        model = {"api_endpoint": {"url": url, "model_id": "e", "api_key": "secret-key"}}
        client = ModelClients(settings, Backoff(base=0.001)).embedder(model, {})
        try:
            return [await client.embed(texts, kind) for kind in kinds or [None]]
        finally:
            await client.close()

    return asyncio.run(run())


def document(*vectors: Any, **more: Any) -> Answer:
    data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return Answer(200, orjson.dumps({"data": data, **more}))


@pytest.mark.parametrize("end", ["", "/v1", "/v1/embeddings", "/v1/embeddings/"])
def test_a_vector_for_each_text(settings: ClientSettings, end: str) -> None:
    with Endpoint() as endpoint:
        [vectors] = embed(endpoint.root + end, settings)
    [request] = endpoint.requests
    assert request.path == "/v1/embeddings"
    known = {"input": TEXTS, "encoding_format": "float", "model": "e"}
    assert request.body == {**known, "truncate": "END"}
    assert request.headers["authorization"] == "Bearer secret-key"
    assert vectors == [one["embedding"] for one in bags_of_words(request.body)["data"]]
    assert vectors[0] == vectors[2] != vectors[1]


def test_vectors_are_in_the_order_of_the_texts(settings: ClientSettings) -> None:
    data = [{"index": i, "embedding": [float(i)]} for i in (2, 0, 1)]
    with Endpoint(always=Answer(200, orjson.dumps({"data": data}))) as endpoint:
        assert embed(endpoint.url, settings) == [[[0.0], [1.0], [2.0]]]


def extras(endpoint: Endpoint) -> list[tuple[str | None, str | None]]:
    """What each request said beyond OpenAI's."""
    bodies = [request.body for request in endpoint.requests]
    return [(body.get("input_type"), body.get("truncate")) for body in bodies]


def test_endpoints_are_told_kinds_and_to_cut_long_texts(settings: ClientSettings) -> None:
    with Endpoint() as endpoint:
        embed(endpoint.url, settings, "query", "passage", None)
    assert extras(endpoint) == [("query", "END"), ("passage", "END"), (None, "END")]


def test_what_an_endpoint_refuses_is_not_said_again(settings: ClientSettings) -> None:
    with Endpoint(script=[Answer(400), Answer(422)]) as endpoint:
        first, second = embed(endpoint.url, settings, "query", "query")
    assert extras(endpoint) == [("query", "END"), ("query", None), (None, None), (None, None)]
    assert first == second


def test_an_endpoint_may_know_kinds_alone(settings: ClientSettings) -> None:
    with Endpoint(script=[Answer(400)]) as endpoint:
        embed(endpoint.url, settings, "query", None, "passage")
    assert extras(endpoint) == [
        ("query", "END"), ("query", None), (None, None), ("passage", None),
    ]  # fmt: skip


def test_a_refusal_for_another_reason_is_told_as_it_was(settings: ClientSettings) -> None:
    told = Answer(400, b'{"error":{"message":"too many texts"}}')
    with (
        Endpoint(script=[told], always=Answer(400)) as endpoint,
        pytest.raises(EvaluationError, match="too many texts") as caught,
    ):
        embed(endpoint.url, settings, "query")
    assert caught.value.kind == "http"


def test_busy_endpoints_are_asked_again(settings: ClientSettings) -> None:
    with Endpoint(script=[BUSY, Answer(503)]) as endpoint:
        embed(endpoint.url, settings, "passage")
    kinds = [request.body.get("input_type") for request in endpoint.requests]
    assert kinds == ["passage"] * 3


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(200, b"<html>"), "bad_json", "not JSON"),
        (Answer(200, b"[]"), "bad_schema", "not a JSON object"),
        (Answer(200, b"{}"), "bad_schema", "no `data`"),
        (Answer(200, b'{"error":{"message":"no such model"}}'), "bad_schema", "no such model"),
        (document([1.0]), "bad_schema", "3 vectors"),
        (document([1.0], [1.0], [1.0, 2.0]), "bad_schema", "all of one size"),
        (document([], [], []), "bad_schema", "3 vectors"),
        (document([1.0], ["x"], [1.0]), "bad_schema", "numbers"),
        (document([1.0], None, [1.0]), "bad_schema", "numbers"),
        (document([1.0], "AACAPw==", [1.0]), "bad_schema", "numbers"),
        (document([1e308, 1e308], [1.0, 1.0], [1.0, 1.0]), "bad_schema", "numbers"),
        (Answer(200, b'{"data": [{"embedding": [NaN]}]}'), "bad_schema", "numbers"),
        (Answer(200, b'{"data": 3}'), "bad_schema", "3 vectors"),
    ],
)
def test_what_is_no_embedding(
    settings: ClientSettings, answer: Answer, kind: str, words: str
) -> None:
    with (
        Endpoint(always=answer) as endpoint,
        pytest.raises(EvaluationError, match=words) as caught,
    ):
        embed(endpoint.url, settings)
    assert caught.value.kind == kind
    assert len(endpoint.requests) == 1


def test_a_url_for_chats_takes_no_embeddings(settings: ClientSettings) -> None:
    with pytest.raises(EvaluationError, match=r"set api_endpoint.url to http://m:1/v1/embeddings"):
        embed("http://m:1/v1/chat/completions", settings)


def test_models_by_their_id(settings: ClientSettings) -> None:
    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        return bags_of_words(request, size=2)

    async def run(given: ClientSettings) -> Any:
        client = ModelClients(given).embedder("nvidia/embed", {})
        try:
            return await client.embed(["a"])
        finally:
            await client.close()

    with Endpoint(more={"/embeddings": answer}) as endpoint:
        given = settings.model_copy(update={"inference_url": endpoint.url})
        assert len(asyncio.run(run(given))[0]) == 2
    assert endpoint.requests[0].body["model"] == "nvidia/embed"
