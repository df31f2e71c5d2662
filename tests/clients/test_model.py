"""The model client: what it sends, when it tries again, and what it says."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from evald.clients.model import ModelClients
from evald.clients.retry import Backoff
from evald.errors import EvaluationError
from evald.settings import ClientSettings
from tests.endpoint import CUT, Answer, Endpoint, Fault, Raw

KEY = "nvapi-canary-0123456789"
CHAT = {"messages": [{"role": "user", "content": "hello"}]}
PROMPT = {"prompt": "hello"}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


def ask(
    url: str,
    request: dict[str, Any] = CHAT,
    *,
    times: int = 1,
    settings: ClientSettings,
    **params: Any,
) -> list[str]:
    """Texts of replies; waits between tries are left out."""

    async def run() -> list[str]:
        model = {"api_endpoint": {"url": url, "model_id": "m", "api_key": KEY}}
        models = ModelClients(settings, Backoff(base=0.001, after_cap=0.3))
        async with models.open(model, params) as client:
            replies = await asyncio.gather(*(client.ask(request) for _ in range(times)))
            return [reply.text for reply in replies]

    return asyncio.run(run())


def failure(url: str, settings: ClientSettings, **params: Any) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        ask(url, settings=settings, **params)
    assert KEY not in caught.value.message
    return caught.value


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1?api-version=2"])
def test_one_url_serves_chats_and_completions(
    endpoint: Endpoint, settings: ClientSettings, end: str
) -> None:
    assert ask(endpoint.root + end, CHAT, settings=settings) == ["hello"]
    assert ask(endpoint.root + end, PROMPT, settings=settings) == ["hello"]
    query = end[end.index("?") :] if "?" in end else ""
    paths = [request.path for request in endpoint.requests]
    assert paths == [f"/v1/chat/completions{query}", f"/v1/completions{query}"]


@pytest.mark.parametrize("end", ["/v1/chat/completions", "/v1/chat/completions/"])
def test_a_url_with_its_end_is_used_as_it_is(
    endpoint: Endpoint, settings: ClientSettings, end: str
) -> None:
    assert ask(endpoint.root + end, CHAT, settings=settings) == ["hello"]
    assert endpoint.requests[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("end", "request_", "right"),
    [
        ("/v1/completions", CHAT, "/v1/chat/completions"),
        ("/v1/chat/completions", PROMPT, "/v1/completions"),
    ],
)
def test_a_request_of_the_other_kind_is_told_the_right_url(
    endpoint: Endpoint,
    settings: ClientSettings,
    end: str,
    request_: dict[str, Any],
    right: str,
) -> None:
    with pytest.raises(EvaluationError, match=right + ",") as caught:
        ask(endpoint.root + end, request_, settings=settings)
    assert caught.value.kind == "request"
    assert not endpoint.requests


def test_what_is_sent(endpoint: Endpoint, settings: ClientSettings) -> None:
    ask(endpoint.url, {**CHAT, "stream": True, "top_p": 0.5}, settings=settings)
    ask(endpoint.url, {**CHAT, "model": "other"}, settings=settings)
    first, second = endpoint.requests
    assert first.body == {**CHAT, "stream": False, "top_p": 0.5, "model": "m"}
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["content-type"] == "application/json"
    assert second.body["model"] == "other"


def test_requests_in_flight_are_bounded(settings: ClientSettings) -> None:
    with Endpoint(latency=0.02) as endpoint:
        assert len(ask(endpoint.url, times=40, settings=settings, parallelism=8)) == 40
        assert endpoint.most_in_flight == 8
        assert endpoint.connections <= 8


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_passing_status_is_tried_again(settings: ClientSettings, status: int) -> None:
    with Endpoint(script=[Answer(status)] * 2) as endpoint:
        assert ask(endpoint.url, settings=settings) == ["hello"]
        assert len(endpoint.requests) == 3


@pytest.mark.parametrize("fault", [CUT, Raw(b""), Raw(b"HTTP/1.1 200 OK\r\nContent-Le")])
def test_a_broken_connection_is_tried_again(settings: ClientSettings, fault: Fault) -> None:
    with Endpoint(script=[fault]) as endpoint:
        assert ask(endpoint.url, settings=settings) == ["hello"]
        assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"choices":[{"message":{"content":"a"}}]}', "a"),
        (b'{"choices":[{"text":"b"}]}', "b"),
        (b'{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}', ""),
        (b'{"choices":[{"message":{"tool_calls":[{}]}}]}', ""),
        (b'{"choices":[{"message":{"content":null},"finish_reason":"length"}]}', ""),
        (b'{"choices":[{"message":{"content":[{"type":"text","text":"c"}]}}]}', "c"),
    ],
)
def test_replies(settings: ClientSettings, body: bytes, text: str) -> None:
    with Endpoint(always=Answer(200, body)) as endpoint:
        assert ask(endpoint.url, settings=settings) == [text]


def test_retry_after_is_waited_for_and_capped(settings: ClientSettings) -> None:
    with Endpoint(script=[Answer(429, headers={"Retry-After": "3600"})]) as endpoint:
        began = time.monotonic()
        assert ask(endpoint.url, settings=settings) == ["hello"]
        assert 0.3 <= time.monotonic() - began < 2


def test_nobody_listens(settings: ClientSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = failure(f"{place}/v1", settings, max_retries=1)
    assert error.kind == "connection"
    assert "connection refused (tried 2 times)" in error.message
    assert f"is the server running at {place}?" in error.message


def test_an_endpoint_that_never_answered_is_not_waited_for_again(
    settings: ClientSettings,
) -> None:
    async def run(url: str) -> list[str]:
        said = []
        model = {"api_endpoint": {"url": url}}
        models = ModelClients(settings, Backoff(base=0.001))
        async with models.open(model, {"max_retries": 2, "parallelism": 1}) as client:
            for _ in range(3):
                with pytest.raises(EvaluationError) as caught:
                    await client.ask(CHAT)
                said.append(caught.value.message)
        return said

    first, *others = asyncio.run(run("http://127.0.0.1:1"))
    assert "tried 3 times" in first
    assert not any("tried" in message for message in others)
    with Endpoint(script=[Answer(404)], always=Raw()) as endpoint:
        _, *others = asyncio.run(run(endpoint.url))
        assert all("tried 3 times" in message for message in others)


def test_a_name_that_does_not_resolve(settings: ClientSettings) -> None:
    error = failure("http://nowhere.invalid/v1", settings, max_retries=0)
    assert error.kind == "connection"
    assert "nowhere.invalid cannot be resolved" in error.message


@pytest.mark.parametrize("stand_in", ["x", "EMPTY", "none", "test-1"])
def test_a_word_in_place_of_a_key_stays_in_answers(settings: ClientSettings, stand_in: str) -> None:
    """Local servers take any key, and what people write there are words of answers too."""
    with Endpoint(reply=f"there is {stand_in} of them") as endpoint:
        model = {"api_endpoint": {"url": endpoint.url, "model_id": "m", "api_key": stand_in}}

        async def run() -> str:
            with ModelClients(settings) as clients:
                client = clients.open(model, {})
                reply = await client.ask({"messages": [{"role": "user", "content": "?"}]})
                await client.close()
                return str(reply.text)

        assert asyncio.run(run()) == f"there is {stand_in} of them"


def test_a_key_that_comes_back_is_masked(settings: ClientSettings) -> None:
    with Endpoint(reply=f"your key is {KEY}") as endpoint:
        assert ask(endpoint.url, settings=settings) == ["your key is ******"]
    body = f'{{"error":"Authorization: Bearer {KEY} is \x1b[31mwrong"}}'.encode()
    with Endpoint(always=Answer(401, body)) as endpoint:
        error = failure(f"{endpoint.url}?api-key={KEY}", settings)
        assert "\x1b" not in error.message
        assert "wrong" in error.message


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"parallelism": 0}, "parallelism"),
        ({"parallelism": "many"}, "parallelism"),
        ({"parallelism": 1.5}, "parallelism"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"request_timeout": 0}, "request_timeout"),
        ({"request_timeout": "x"}, "request_timeout"),
    ],
)
def test_params_out_of_range(settings: ClientSettings, params: dict[str, Any], field: str) -> None:
    with pytest.raises(EvaluationError, match=field) as caught:
        ModelClients(settings).open({"api_endpoint": {"url": "http://127.0.0.1"}}, params)
    assert caught.value.kind == "request"


def test_requests_that_cannot_be_sent(endpoint: Endpoint, settings: ClientSettings) -> None:
    for request in ({}, {"messages": {1, 2}}, {"prompt": 2**70}):
        with pytest.raises(EvaluationError) as caught:
            ask(endpoint.url, request, settings=settings)
        assert caught.value.kind == "request"
    assert not endpoint.requests


def test_a_model_by_name(endpoint: Endpoint, settings: ClientSettings) -> None:
    with pytest.raises(EvaluationError, match="EVALD_INFERENCE_URL") as caught:
        ModelClients(settings).open("meta/llama", {})
    assert caught.value.kind == "model"
    with pytest.raises(EvaluationError, match=r"api_endpoint\.url"):
        ModelClients(settings).open({"name": "m"}, {})

    async def run() -> str:
        given = settings.model_copy(update={"inference_url": endpoint.url})
        async with ModelClients(given).open("meta/llama", {}) as client:
            return (await client.ask(CHAT)).text

    assert asyncio.run(run()) == "hello"
    assert endpoint.requests[0].body["model"] == "meta/llama"
    assert "authorization" not in endpoint.requests[0].headers
