"""All that an endpoint can do to a client, and what each comes to.

A case runs against an `Endpoint`, whose faults are bytes as a socket sends them.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from evald.clients.failure import FailureKind as Kind
from tests.endpoint import CUT, Answer, Drip, Fault, Hang, Huge, Raw

RETRIES = 2

RESPONSE_LIMIT = 2**20

PATIENCE = 0.3
"""Seconds that faults which never come to an end are waited for."""

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Case:
    """What becomes of a request when the endpoint always answers so."""

    fault: Fault
    kind: Kind
    words: str
    retried: bool = False

    @property
    def requests(self) -> int:
        """Requests that the endpoint sees."""
        return 1 + RETRIES if self.retried else 1


def status(code: int, body: bytes = b'{"error":"told to fail"}', **headers: str) -> Answer:
    """A status, `retry_after="1"` and the like as headers."""
    return Answer(code, body, {k.replace("_", "-"): v for k, v in headers.items()})


def zipped(body: bytes) -> Answer:
    return Answer(200, body, {"Content-Encoding": "gzip"})


def said(body: bytes) -> Answer:
    return Answer(200, body)


CASES: dict[str, Case] = {
    **{
        str(code): Case(status(code), Kind.HTTP, f"{code}.*told to fail")
        for code in (400, 401, 403, 404, 405, 410, 413, 418, 422, 451)
    },
    **{
        str(code): Case(status(code), Kind.HTTP, f"{code} .*tried 3 times", retried=True)
        for code in (408, 409, 425)
    },
    **{
        str(code): Case(status(code), Kind.SERVER_ERROR, f"{code}.*tried 3 times", retried=True)
        for code in (500, 501, 502, 503, 504, 507, 529, 599)
    },
    "429": Case(status(429), Kind.RATE_LIMITED, r"429.*; lower params\.parallelism", retried=True),
    "429 with Retry-After": Case(
        status(429, retry_after="0.01"), Kind.RATE_LIMITED, "429 Too Many Requests", retried=True
    ),
    "503 with Retry-After": Case(
        status(503, retry_after="0.01"), Kind.SERVER_ERROR, "503", retried=True
    ),
    "a long error": Case(Answer(500, b"x" * 2**22), Kind.SERVER_ERROR, "500", retried=True),
    **{
        f"redirect {code}": Case(
            status(code, location="http://other.example/v1?key=canary"),
            Kind.REDIRECT,
            rf"{code} redirects to http://other.example/v1; .*set api_endpoint.url",
        )
        for code in (301, 302, 303, 307, 308)
    },
    "redirect to a path": Case(
        status(302, location="/other"), Kind.REDIRECT, r"to http://.*/other;"
    ),
    "redirect to metadata": Case(
        status(302, location="http://169.254.169.254/"), Kind.REDIRECT, "169.254.169.254"
    ),
    "redirect to nowhere": Case(status(302), Kind.REDIRECT, "redirects to nowhere"),
    "redirect to what is no URL": Case(status(302, location="http://[x"), Kind.REDIRECT, "nowhere"),
    "hang": Case(Hang(), Kind.TIMEOUT, r"no whole answer within 0.3 s \(tried 3", retried=True),
    "one byte after another": Case(Drip(), Kind.TIMEOUT, "no whole answer", retried=True),
    "one byte of the headers after another": Case(
        Drip(data=OK + b"X-Y: " + b"z" * 1000, at_once=0), Kind.TIMEOUT, "within", retried=True
    ),
    "1 GB": Case(Huge(told=True), Kind.TOO_LARGE, "than 1 MiB; .*EVALD_RESPONSE_LIMIT"),
    "1 GB that nothing told of": Case(Huge(told=False), Kind.TOO_LARGE, "longer than 1 MiB"),
    "1 GB, zipped": Case(
        zipped(gzip.compress(b" " * 2**27, mtime=0)), Kind.TOO_LARGE, "longer than 1 MiB"
    ),
    "what is not zipped": Case(zipped(b"plain"), Kind.BAD_ENCODING, "gzip; .*compresses"),
    "zipped and cut": Case(
        zipped(gzip.compress(b'{"choices":[{"text":"hello"}]}', mtime=0)[:25]),
        Kind.BAD_JSON,
        "not JSON",
    ),
    "cut chunk": Case(CUT, Kind.CUT_SHORT, "in the middle.*tried 3 times", retried=True),
    "cut body": Case(
        Raw(OK + b"Content-Length: 100\r\n\r\n{"), Kind.CUT_SHORT, "in the middle", retried=True
    ),
    "reset in the body": Case(
        Raw(OK + b"Content-Length: 100\r\n\r\n{", abort=True),
        Kind.CUT_SHORT,
        "in the middle",
        retried=True,
    ),
    "cut headers": Case(Raw(OK + b"Content-Le"), Kind.CUT_SHORT, "in the middle", retried=True),
    "no answer": Case(Raw(), Kind.CONNECTION, "broke before an answer", retried=True),
    "reset": Case(Raw(abort=True), Kind.CONNECTION, "broke before an answer", retried=True),
    "a chunk of no size": Case(
        Raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"), Kind.PROTOCOL, "HTTP"
    ),
    "another protocol": Case(Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Kind.PROTOCOL, "not speak HTTP"),
    "a header without end": Case(
        Raw(OK + b"X: " + b"x" * 10**5 + b"\r\n\r\n"), Kind.PROTOCOL, "not speak HTTP"
    ),
    "headers without end": Case(
        Raw(OK + b"".join(b"X-%d: y\r\n" % i for i in range(10**4)) + b"\r\n"),
        Kind.PROTOCOL,
        "HTTP",
    ),
    "HTML": Case(said(b"<html>hello</html>"), Kind.BAD_JSON, "not JSON.*OpenAI-compatible"),
    "nothing": Case(said(b""), Kind.BAD_JSON, "not JSON"),
    "half of a reply": Case(said(b'{"choices":[{"mess'), Kind.BAD_JSON, "not JSON"),
    "no text": Case(said(b"\xff\xfe"), Kind.BAD_JSON, "not JSON"),
    "JSON without end": Case(said(b"[" * 10**5), Kind.BAD_JSON, "not JSON"),
    "a list": Case(said(b"[]"), Kind.BAD_SCHEMA, "not a JSON object"),
    "an empty object": Case(said(b"{}"), Kind.BAD_SCHEMA, "no `choices`; .*OpenAI-compatible"),
    "no choices": Case(said(b'{"choices":[]}'), Kind.BAD_SCHEMA, "no `choices`"),
    "choices by name": Case(said(b'{"choices":{"a":1}}'), Kind.BAD_SCHEMA, "neither"),
    "an empty choice": Case(said(b'{"choices":[{}]}'), Kind.BAD_SCHEMA, "neither"),
    "a choice that is a text": Case(said(b'{"choices":["x"]}'), Kind.BAD_SCHEMA, "neither"),
    "a message that is a text": Case(
        said(b'{"choices":[{"message":"x"}]}'), Kind.BAD_SCHEMA, "neither"
    ),
    "an empty message": Case(said(b'{"choices":[{"message":{}}]}'), Kind.BAD_SCHEMA, "neither"),
    "content that is a number": Case(
        said(b'{"choices":[{"message":{"content":7}}]}'), Kind.BAD_SCHEMA, "neither"
    ),
    "an error that says 200": Case(
        said(b'{"error":{"message":"no such model"}}'), Kind.BAD_SCHEMA, "no such model"
    ),
}
