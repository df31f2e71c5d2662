"""The client of models behind OpenAI-compatible endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from evald.clients.egress import Egress, VettingResolver
from evald.clients.endpoint import Endpoint, shown
from evald.clients.redact import redact, snippet
from evald.clients.reply import Reply, parse
from evald.clients.retry import Backoff, passing, retry_after
from evald.errors import EvaluationError
from evald.settings import ClientSettings

PARALLELISM = 16
MAX_RETRIES = 5
REQUEST_TIMEOUT = 60.0

ERROR_BODY = 64 * 2**10
"""Bytes of a failed answer that are read: enough to say why, and to keep the connection."""

KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept: fewer than the five after which uvicorn, the server
below most model servers, closes it, perhaps just as the next request is on its way."""

HINTS = {
    400: "the endpoint does not take the request; check model_id and the params",
    401: "check api_endpoint.api_key",
    403: "check api_endpoint.api_key and what it gives access to",
    404: "check api_endpoint.url and model_id",
    405: "check the path of api_endpoint.url",
    413: "the prompt is too long for the endpoint",
    422: "the endpoint does not take the request; check model_id and the params",
    429: "lower params.parallelism",
}


class ModelClients:
    """Opens clients of models. `backoff` says how long they wait between tries."""

    def __init__(self, settings: ClientSettings, backoff: Backoff | None = None) -> None:
        self._settings = settings
        self._backoff = backoff or Backoff()
        self._egress = Egress(settings.egress)

    def open(self, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> ModelClient:
        """A client of a model, given as a document or, for EVALD_INFERENCE_URL, by its id.

        Of `params` it reads `parallelism`, `max_retries` and `request_timeout` (seconds a try).
        Raises EvaluationError of kind `model` when it is not clear where the model is, and of kind
        `request` when the URL is refused or a parameter is out of range.
        """
        if isinstance(model, str):
            endpoint: Mapping[str, Any] = {"url": self._settings.inference_url, "model_id": model}
            if not self._settings.inference_url:
                raise EvaluationError(
                    "model",
                    f"model {model!r} is only a name: set EVALD_INFERENCE_URL to the endpoint that "
                    "serves it, or give the target an api_endpoint",
                )
        else:
            endpoint = model.get("api_endpoint") or {}
            if not endpoint.get("url"):
                raise EvaluationError("model", "the model has no api_endpoint.url")
        return ModelClient(
            Endpoint(endpoint["url"], self._egress),
            self._egress,
            model_id=endpoint.get("model_id"),
            api_key=endpoint.get("api_key"),
            parallelism=_whole(params, "parallelism", PARALLELISM, least=1),
            max_retries=_whole(params, "max_retries", MAX_RETRIES, least=0),
            request_timeout=_seconds(params, "request_timeout", REQUEST_TIMEOUT),
            response_limit=self._settings.response_limit,
            backoff=self._backoff,
        )


class ModelClient:
    """Asks one endpoint, with at most `parallelism` requests in flight. Belongs to the event loop
    that it is first used on."""

    def __init__(
        self,
        endpoint: Endpoint,
        egress: Egress,
        *,
        model_id: str | None,
        api_key: str | None,
        parallelism: int,
        max_retries: int,
        request_timeout: float,
        response_limit: int,
        backoff: Backoff,
    ) -> None:
        self._endpoint = endpoint
        self._egress = egress
        self._model_id = model_id
        self._secrets = (api_key,) if api_key else ()
        self._key = api_key.encode() if api_key else b""
        self._parallelism = parallelism
        self._max_retries = max_retries
        self._request_timeout = request_timeout
        self._response_limit = response_limit
        self._backoff = backoff
        self._free = asyncio.Semaphore(parallelism)
        self._session: aiohttp.ClientSession | None = None
        self._reached: bool | None = None

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._parallelism

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        """Sends a chat request (`messages`) or a completion request (`prompt`).

        Raises EvaluationError when it fails for good: `connection` (no answer, or a broken one),
        `timeout`, `http` (a status other than 2xx), `response` (an answer that is not a completion
        or is too long) or `request` (it cannot be sent as it is).
        """
        url = self._endpoint.of(request)
        body = self._body(request)
        async with self._free:
            failures = 0
            # Once nobody was there however often we tried, one more try per request is enough.
            retries = self._max_retries if self._reached is not False else 0
            while True:
                failure = await self._try(url, body)
                if isinstance(failure, Reply):
                    return failure
                failures += 1
                if not failure.passing or failures > retries:
                    if failure.kind == "connection" and self._reached is None:
                        self._reached = False
                    raise self._error(url, failure, failures)
                await asyncio.sleep(self._backoff.wait(failures, failure.retry_after))

    async def close(self) -> None:
        """Closes the connections. The client can be used no more."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> ModelClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _body(self, request: Mapping[str, Any]) -> bytes:
        document = dict(request)
        if self._model_id is not None and document.get("model") is None:
            document["model"] = self._model_id
        if document.get("stream"):
            document["stream"] = False
            document.pop("stream_options", None)
        try:
            return orjson.dumps(document)
        except TypeError as e:
            raise EvaluationError("request", f"the request cannot be written as JSON: {e}") from e

    def _open(self) -> aiohttp.ClientSession:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._secrets:
            headers["Authorization"] = f"Bearer {self._secrets[0]}"
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._parallelism,
                keepalive_timeout=KEEP_ALIVE,
                resolver=VettingResolver(self._egress),
                ttl_dns_cache=30,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self._request_timeout),
            trust_env=False,
        )

    async def _try(self, url: URL, body: bytes) -> Reply | Failure:
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                self._reached = True
                if not 200 <= response.status < 300:
                    return await self._refusal(response)
                content = await _read(response, self._response_limit)
            if self._key and self._key in content:
                content = content.replace(self._key, b"******")
            return parse(content)
        except _TooLong:
            limit = f"{self._response_limit / 2**20:g} MiB"
            return Failure("response", f"its answer is longer than {limit}")
        except TimeoutError:
            reason = f"no whole answer within {self._request_timeout:g} s"
            hint = "raise params.request_timeout or lower params.parallelism"
            return Failure("timeout", reason, hint, passing=True)
        except aiohttp.ClientSSLError as e:
            hint = "is this an https endpoint with a certificate that this machine trusts?"
            return Failure("connection", f"TLS failed: {e}", hint)
        except aiohttp.ClientConnectorError as e:
            return Failure("connection", *_no_connection(e, url), passing=True)
        except aiohttp.ClientResponseError as e:
            return Failure("response", f"it does not speak HTTP as it should: {e.message}")
        except (aiohttp.ClientError, ConnectionError) as e:
            reason = f"the connection broke: {e or type(e).__name__}"
            return Failure("connection", reason, passing=True)
        except EvaluationError as e:
            return Failure(e.kind, e.message)
        except ValueError as e:
            return Failure("request", f"the request cannot be sent: {e}")

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        status = response.status
        if 300 <= status < 400:
            to = response.headers.get("Location", "nowhere")
            hint = "redirects are not followed; set api_endpoint.url to where the model is"
            return Failure("http", f"{status} redirects to {to}", hint)
        try:
            body = bytes(await _read(response, ERROR_BODY))
        except (_TooLong, TimeoutError, aiohttp.ClientError):
            body = b""
        said = f": {text}" if (text := snippet(body, self._secrets)) else ""
        return Failure(
            "http",
            f"{status} {response.reason or ''}".rstrip() + said,
            HINTS.get(status, ""),
            passing=passing(status),
            retry_after=retry_after(response.headers.get("Retry-After")),
        )

    def _error(self, url: URL, failure: Failure, tries: int) -> EvaluationError:
        tried = f" (tried {tries} times)" if tries > 1 else ""
        hint = f"; {failure.hint}" if failure.hint else ""
        message = f"{shown(url)}: {failure.reason}{tried}{hint}"
        return EvaluationError(failure.kind, redact(message, self._secrets))


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that gave no reply. `passing` ones may go well the next time."""

    kind: str
    reason: str
    hint: str = ""
    passing: bool = False
    retry_after: float | None = None


class _TooLong(Exception):
    pass


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | bytearray:
    """The body; raises _TooLong, leaving the rest unread, when it has more than `limit` bytes."""
    if (response.content_length or 0) > limit:
        response.close()
        raise _TooLong
    content = await response.content.readany()
    if response.content.at_eof():
        if len(content) > limit:
            raise _TooLong
        return content
    whole = bytearray(content)
    while len(whole) <= limit:
        part = await response.content.readany()
        if not part:
            return whole
        whole += part
    response.close()
    raise _TooLong


def _no_connection(error: aiohttp.ClientConnectorError, url: URL) -> tuple[str, str]:
    place = f"{url.scheme}://{url.authority}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {url.host} cannot be resolved", "check the host of api_endpoint.url"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "connection refused", f"is the server running at {place}?"
    reason = error.os_error.strerror or str(error.os_error)
    return f"cannot connect: {reason}", f"can {place} be reached from here?"


def _whole(params: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise EvaluationError("request", f"params.{name}: {value!r} is not a whole number")
    if value < least:
        raise EvaluationError("request", f"params.{name}: {value} is less than {least}")
    return int(value)


def _seconds(params: Mapping[str, Any], name: str, default: float) -> float:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise EvaluationError("request", f"params.{name}: {value!r} is not a number above 0")
    return float(value)
