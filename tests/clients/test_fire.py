"""The model client under fire: each fault has its outcome, and nothing goes on for ever."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
import tracemalloc
from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest
from yarl import URL

from evald.clients.failure import FailureKind, of_error
from evald.clients.model import ModelClients
from evald.clients.retry import Backoff
from evald.errors import EvaluationError
from evald.settings import ClientSettings
from tests.clients.fire import CASES, PATIENCE, RESPONSE_LIMIT, RETRIES, Case
from tests.e2e.test_tls import make_pair
from tests.endpoint import BUSY, Answer, Endpoint, Hang, Huge

KEY = "canary-0123456789"
CHAT = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def settings(settings: ClientSettings) -> ClientSettings:
    return settings.model_copy(update={"response_limit": RESPONSE_LIMIT})


def outcome(
    url: str,
    settings: ClientSettings,
    *,
    timeout: float = 10,
    seconds: float | None = None,
    backoff: Backoff | None = None,
) -> EvaluationError:
    """What a request comes to that has `seconds` for all its tries."""

    async def run() -> None:
        deadline = seconds and asyncio.get_running_loop().time() + seconds
        waits = backoff or Backoff(base=0.001, after_cap=0.3)
        models = ModelClients(settings, waits, deadline=deadline)
        model = {"api_endpoint": {"url": url, "api_key": KEY}}
        params = {"max_retries": RETRIES, "request_timeout": timeout}
        async with models.open(model, params) as client:
            await client.ask(CHAT)

    with pytest.raises(EvaluationError) as caught:
        asyncio.run(run())
    assert KEY not in caught.value.message
    assert type(caught.value.kind) is str
    return caught.value


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_fault_has_its_outcome(settings: ClientSettings, case: Case) -> None:
    timeout = PATIENCE if case.kind == FailureKind.TIMEOUT else 10
    with Endpoint(always=case.fault) as endpoint:
        error = outcome(endpoint.url, settings, timeout=timeout)
        assert (error.kind, len(endpoint.requests)) == (case.kind, case.requests), error.message
        assert error.message.startswith(f"{endpoint.url}/chat/completions: ")
        assert re.search(case.words, error.message), error.message
        assert "\n" not in error.message
        assert "canary" not in error.message


def test_every_outcome_is_met_and_says_what_to_do() -> None:
    elsewhere = {FailureKind.TLS, FailureKind.REQUEST, FailureKind.DEADLINE}
    assert {case.kind for case in CASES.values()} == set(FailureKind) - elsewhere
    assert all(kind.advice for kind in FailureKind if kind != FailureKind.REQUEST)


@pytest.mark.parametrize("kind", ["untrusted", "none"])
def test_tls_errors_are_final(settings: ClientSettings, tmp_path: Path, kind: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = make_pair(tmp_path, "stranger")
    context.load_cert_chain(pair.cert, pair.key)
    with Endpoint(tls=context if kind == "untrusted" else None) as endpoint:
        error = outcome(endpoint.url.replace("http:", "https:"), settings)
        assert error.kind == "tls"
        assert "certificate that this machine trusts" in error.message
        assert "tried" not in error.message
        assert not endpoint.requests


def test_a_server_that_hears_no_tls() -> None:
    """One that waits for a whole line of HTTP does not even answer."""
    told = "SSL handshake is taking longer than 60.0 seconds: aborting the connection"
    error = aiohttp.ClientConnectorError(Mock(), ConnectionAbortedError(told))
    failed = of_error(error, URL("https://127.0.0.1:8000/v1"), answering=False)
    assert (failed.kind, failed.passing) == (FailureKind.TLS, False)
    assert "http://" in failed.reason


def test_a_huge_answer_is_not_held(settings: ClientSettings) -> None:
    with Endpoint(always=Huge()) as endpoint:
        tracemalloc.start()
        try:
            error = outcome(endpoint.url, settings)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert error.kind == "too_large"
    assert most < 16 * RESPONSE_LIMIT


def test_a_redirect_takes_the_key_nowhere(settings: ClientSettings) -> None:
    with Endpoint() as other:
        to = Answer(307, headers={"Location": f"{other.url}/chat/completions"})
        with Endpoint(always=to) as endpoint:
            error = outcome(endpoint.url, settings)
        assert error.kind == "redirect"
        assert f"redirects to {other.url}/chat/completions;" in error.message
        assert other.connections == 0


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Hang(), "timeout", "before the time of the job was over; give the job a greater"),
        (Answer(500), "server_error", "500 Internal.*told to fail"),
        (Answer(429, headers={"Retry-After": "30"}), "rate_limited", "429"),
    ],
    ids=["hang", "500", "429"],
)
def test_the_end_of_the_job_ends_the_tries(
    settings: ClientSettings, fault: Answer | Hang, kind: str, words: str
) -> None:
    with Endpoint(always=fault) as endpoint:
        began = time.monotonic()
        error = outcome(
            endpoint.url, settings, seconds=0.3, backoff=Backoff(base=60, random=lambda: 1.0)
        )
        assert time.monotonic() - began < 10, "it waited for a try, or for its time-out"
        assert error.kind == kind
        assert re.search(words, error.message), error.message
        assert len(endpoint.requests) == 1


def test_nothing_is_asked_after_the_end_of_the_job(settings: ClientSettings) -> None:
    with Endpoint() as endpoint:
        error = outcome(endpoint.url, settings, seconds=-1)
        assert error.kind == "deadline"
        assert "max_runtime" in error.message
        assert not endpoint.requests


@pytest.mark.parametrize("name", ["api_key", "api-key", "key", "Key", "access_token", "sig"])
def test_a_key_in_the_url_is_masked(settings: ClientSettings, name: str) -> None:
    canary = "Canary+Of/The%20URL"

    async def run(endpoint: Endpoint, said: list[str]) -> None:
        model = {"api_endpoint": {"url": f"{endpoint.url}?v=2025-01-01&{name}={canary}"}}
        models = ModelClients(
            settings, Backoff(base=0.001), say=lambda level, text: said.append(text)
        )
        async with models.open(model, {"max_retries": 1}) as client:
            for _ in range(2):
                with pytest.raises(EvaluationError) as caught:
                    await client.ask(CHAT)
                said.append(caught.value.message)
            said.append((await client.ask(CHAT)).text)

    said: list[str] = []
    echoes = [
        f"no {canary}",
        "no Canary Of/The URL",
        f"no http://x/v1?v=2025-01-01&{name}={canary}",
    ]
    script = [
        BUSY,
        Answer(429, f"{echoes[0]} {echoes[1]}".encode()),
        Answer(401, echoes[2].encode()),
    ]
    with Endpoint(script=script, reply="no Canary Of/The URL") as endpoint:
        asyncio.run(run(endpoint, said))
        assert all(f"{name}={canary}" in request.path for request in endpoint.requests)
    assert len(said) == 4
    assert "no ******" in said[-1]
    assert not [text for text in said if "anary" in text]


def test_the_readme_has_every_outcome() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    rows = dict(re.findall(r"^\| (`[a-z_`, ]+`) \|.* \| (.*) \|$", text, re.MULTILINE))
    told = {kind: again for kinds, again in rows.items() for kind in re.findall(r"\w+", kinds)}
    for kind in FailureKind:
        said = "408, 409, 425" if kind == FailureKind.HTTP else "yes" if kind.passing else "no"
        assert told[kind] == said
