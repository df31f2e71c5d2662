"""One endpoint of models: what is posted there, tried again, and read within the job's time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import aiohttp
import orjson
from yarl import URL

from evald.clients.body import TooLong, read, read_beginning
from evald.clients.concurrency import Concurrency
from evald.clients.egress import Egress, VettingResolver
from evald.clients.endpoint import Endpoint, place_of, shown
from evald.clients.failure import Failure, FailureKind, failure, of_error, of_status
from evald.clients.redact import MASK, keys_of, redact, snippet
from evald.clients.retry import Backoff, retry_after
from evald.errors import EvaluationError

ERROR_BODY = 64 * 2**10
"""Bytes of a failed answer that are read: enough to say why, and to keep the connection."""

KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept: fewer than the five after which uvicorn, the server
below most model servers, closes it, perhaps just as the next request is on its way."""

UNREACHED = frozenset({FailureKind.CONNECTION, FailureKind.TIMEOUT})
"""What it comes to when nobody is there."""

LATE = failure(FailureKind.DEADLINE, "the time of the job is over")
UNANSWERED = Failure(
    FailureKind.TIMEOUT,
    "no whole answer before the time of the job was over",
    FailureKind.DEADLINE.advice,
)

T = TypeVar("T")
Body = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was read of an answer. It took `seconds`, after `retries` that failed."""

    value: T
    seconds: float
    retries: int


class Connection:
    """Posts to one endpoint, with at most `parallelism` requests in flight, and no more than
    `limit` finds that it takes. Belongs to the event loop that it is first used on."""

    def __init__(
        self,
        endpoint: Endpoint,
        egress: Egress,
        limit: Concurrency,
        *,
        model_id: str | None,
        api_key: str | None,
        parallelism: int,
        max_retries: int,
        request_timeout: float,
        response_limit: int,
        backoff: Backoff,
        deadline: float | None,
    ) -> None:
        self.endpoint = endpoint
        self._egress = egress
        self._limit = limit
        self._model_id = model_id
        self._api_key = api_key
        self._secrets = {*endpoint.secrets, *filter(None, [api_key])}
        self._keys = [key.encode() for key in keys_of(self._secrets)]
        self._parallelism = parallelism
        self._max_retries = max_retries
        self._request_timeout = request_timeout
        self._response_limit = response_limit
        self._backoff = backoff
        self._deadline = deadline
        self._free = asyncio.Semaphore(parallelism)
        self._session: aiohttp.ClientSession | None = None
        self._reached: bool | None = None

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._parallelism

    async def post(
        self, url: URL, request: Mapping[str, Any], parse: Callable[[Body], T]
    ) -> Answer[T]:
        """Sends a request, with the model's id unless it names a model, and reads the answer with
        `parse`, which raises EvaluationError of a FailureKind when it cannot.

        Raises EvaluationError of a FailureKind when it fails for good, at the latest when the time
        of the job is over.
        """
        body = self._body(request)
        if self._deadline is not None and asyncio.get_running_loop().time() >= self._deadline:
            raise self._error(url, LATE, 0)
        failed: Failure | None = None
        tries = 0
        try:
            async with asyncio.timeout_at(self._deadline), self._free:
                while True:
                    number = await self._limit.enter(again=tries > 0)
                    tries += 1
                    began = time.monotonic()
                    try:
                        answer = await self._try(url, body, parse)
                        self._learn(number, answer)
                    finally:
                        self._limit.leave()
                    if not isinstance(answer, Failure):
                        return Answer(answer, time.monotonic() - began, tries - 1)
                    failed = answer
                    # Once nobody answered however often we tried, one try each is enough.
                    if not failed.passing or self._reached is False or tries > self._max_retries:
                        if failed.kind in UNREACHED and self._reached is None:
                            self._reached = False
                        break
                    await asyncio.sleep(self._backoff.wait(tries, failed.retry_after))
        except TimeoutError:
            failed = failed or (UNANSWERED if tries else LATE)
        raise self._error(url, failed, tries)

    def _learn(self, number: int, answer: T | Failure) -> None:
        """What an answer tells of how many requests the endpoint takes."""
        if not isinstance(answer, Failure):
            self._limit.answered(number)
        elif answer.overload:
            pause = self._backoff.pause(answer.retry_after)
            self._limit.overloaded(number, answer.overload, pause)

    async def close(self) -> None:
        """Closes what is open. It can be used no more."""
        if self._session is not None:
            await self._session.close()

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
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
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

    async def _try(self, url: URL, body: bytes, parse: Callable[[Body], T]) -> T | Failure:
        if self._session is None:
            self._session = self._open()
        answering = False
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                answering = self._reached = True
                if not 200 <= response.status < 300:
                    return await self._refusal(response)
                content = await read(response, self._response_limit)
            for key in self._keys:
                if key in content:
                    content = content.replace(key, MASK.encode())
            return parse(content)
        except TooLong:
            limit = f"{self._response_limit / 2**20:g} MiB"
            return failure(FailureKind.TOO_LARGE, f"its answer is longer than {limit}")
        except TimeoutError:
            reason = f"no whole answer within {self._request_timeout:g} s"
            return failure(FailureKind.TIMEOUT, reason)
        except EvaluationError as e:
            return failure(FailureKind(e.kind), e.message)
        except (aiohttp.ClientError, ConnectionError, ValueError) as e:
            return of_error(e, url, answering=answering)

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        status = response.status
        if 300 <= status < 400:
            to = place_of(response.headers.get("Location", ""), response.url)
            return failure(FailureKind.REDIRECT, f"{status} redirects to {to or 'nowhere'}")
        try:
            body = await read_beginning(response, ERROR_BODY)
        except (TimeoutError, aiohttp.ClientError):
            body = b""
        said = f": {text}" if (text := snippet(body, self._secrets)) else ""
        reason = f"{status} {response.reason or ''}".rstrip() + said
        return of_status(status, reason, retry_after(response.headers.get("Retry-After")))

    def _error(self, url: URL, failed: Failure, tries: int) -> EvaluationError:
        tried = f" (tried {tries} times)" if tries > 1 else ""
        hint = f"; {failed.hint}" if failed.hint else ""
        message = f"{shown(url)}: {failed.reason}{tried}{hint}"
        return EvaluationError(failed.kind.value, redact(message, self._secrets))
