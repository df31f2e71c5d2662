"""How asking a model fails: every way has a name, and says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from evald.clients.retry import passing


class FailureKind(StrEnum):
    """`error.kind` of what a request came to. `advice` says what to do about it; a `passing` one
    may go well the next time, so the request is sent again."""

    advice: str
    passing: bool

    def __new__(cls, value: str, advice: str = "", passing: bool = False) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.advice = advice
        member.passing = passing
        return member

    CONNECTION = "connection", "does the endpoint run, and can it be reached from here?", True
    """Nobody is there, or who is there hangs up without an answer."""

    TLS = "tls", "is this an https endpoint with a certificate that this machine trusts?"
    """No safe connection can be made."""

    TIMEOUT = (
        "timeout",
        "raise params.request_timeout, or lower max_tokens or parallelism",
        True,
    )
    """There is no whole answer after `request_timeout`, be it that none comes, or slowly."""

    RATE_LIMITED = "rate_limited", "lower params.parallelism or raise params.max_retries", True
    """Status 429."""

    SERVER_ERROR = "server_error", "see what the endpoint's own log says", True
    """Status 5xx."""

    REDIRECT = (
        "redirect",
        "redirects are not followed; set api_endpoint.url to where the model is",
    )
    """Status 3xx. The key is for the endpoint that was named, and for nobody else."""

    HTTP = "http", "check api_endpoint.url, model_id and the params"
    """Another status that is not 2xx. 408, 409 and 425 pass."""

    CUT_SHORT = "cut_short", "is there a proxy in between that gives up too early?", True
    """The connection ends in the middle of an answer."""

    TOO_LARGE = "too_large", "lower params.max_tokens, or raise EVALD_RESPONSE_LIMIT for evald"
    """The answer has more bytes than EVALD_RESPONSE_LIMIT. The rest is not read."""

    PROTOCOL = "protocol", "check host and port of api_endpoint.url"
    """What answers does not speak HTTP as it should."""

    BAD_ENCODING = "bad_encoding", "is there a proxy in between that compresses?"
    """The answer says that it is compressed, and cannot be unpacked."""

    BAD_JSON = "bad_json", "is this an OpenAI-compatible endpoint?"
    """The answer is not JSON, or is nested too deeply."""

    BAD_SCHEMA = "bad_schema", "is this an OpenAI-compatible endpoint?"
    """The answer is JSON, and no completion."""

    REQUEST = "request"
    """The request cannot be sent as it is; the message says why."""

    DEADLINE = "deadline", "give the job a greater max_runtime, or fewer samples"
    """The time of the job is over."""


HINTS = {
    400: "the endpoint does not take the request; check model_id and the params",
    401: "check api_endpoint.api_key",
    403: "check api_endpoint.api_key and what it gives access to",
    404: "check api_endpoint.url and model_id",
    405: "check the path of api_endpoint.url",
    413: "the prompt is too long for the endpoint",
    422: "the endpoint does not take the request; check model_id and the params",
}
"""What to do about statuses, where more can be said than a kind's advice."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that gave no reply. `retry_after` are the seconds that the endpoint asks for."""

    kind: FailureKind
    reason: str
    hint: str = ""
    passing: bool = False
    status: int | None = None
    retry_after: float | None = None

    @property
    def overload(self) -> str:
        """What tells that fewer requests at a time would have gone better, if anything does."""
        if self.kind == FailureKind.TIMEOUT:
            return "does not answer in time"
        if self.kind == FailureKind.RATE_LIMITED or (self.passing and self.retry_after is not None):
            return f"answers {self.status}"
        return ""


def failure(kind: FailureKind, reason: str, hint: str = "") -> Failure:
    """The failure of a kind."""
    return Failure(kind, reason, hint or kind.advice, kind.passing)


def of_status(status: int, reason: str, retry_after: float | None = None) -> Failure:
    """The failure that a status other than 2xx and 3xx is. `reason` is what the answer says."""
    kind = FailureKind.HTTP
    if status == 429:
        kind = FailureKind.RATE_LIMITED
    elif status >= 500:
        kind = FailureKind.SERVER_ERROR
    hint = HINTS.get(status, kind.advice)
    return Failure(kind, reason, hint, passing(status), status, retry_after)


def of_error(error: Exception, url: URL, *, answering: bool) -> Failure:
    """The failure that an error of aiohttp is. `answering` says whether the answer had begun."""
    match error:
        case aiohttp.ClientSSLError():  # some are ValueErrors too
            return failure(FailureKind.TLS, f"TLS failed: {error}")
        case ValueError():
            return failure(FailureKind.REQUEST, f"the request cannot be sent: {error}")
        case aiohttp.ClientConnectorError() if "SSL handshake" in str(error.os_error):
            return failure(FailureKind.TLS, "there is no TLS: is it http:// there?")
        case aiohttp.ClientConnectorError():
            return failure(FailureKind.CONNECTION, *_no_connection(error, url))
        case aiohttp.ClientPayloadError() if isinstance(error.__cause__, ContentEncodingError):
            return failure(FailureKind.BAD_ENCODING, _line(f"{error.__cause__.message}"))
        case aiohttp.ClientResponseError():
            reason = f"it does not speak HTTP as it should: {_line(error.message)}"
            return failure(FailureKind.PROTOCOL, reason)
        case aiohttp.ServerDisconnectedError():
            answering = answering or not isinstance(error.message, str)
        case _:
            pass
    if answering:
        return failure(FailureKind.CUT_SHORT, "the connection broke in the middle of the answer")
    reason = f"the connection broke before an answer: {_line(str(error)) or type(error).__name__}"
    return failure(FailureKind.CONNECTION, reason)


def _no_connection(error: aiohttp.ClientConnectorError, url: URL) -> tuple[str, str]:
    place = f"{url.scheme}://{url.authority}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {url.host} cannot be resolved", "check the host of api_endpoint.url"
    if isinstance(error.os_error, ConnectionRefusedError):
        return "connection refused", f"is the server running at {place}?"
    reason = error.os_error.strerror or str(error.os_error)
    return f"cannot connect: {reason}", f"can {place} be reached from here?"


def _line(text: str) -> str:
    return " ".join(text.split())
