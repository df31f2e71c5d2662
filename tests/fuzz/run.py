"""One run of the fuzz against one service."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.text_format import MessageToString
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.endpoint import Endpoint
from tests.fuzz import growth
from tests.fuzz.caller import Caller
from tests.fuzz.growth import Held
from tests.fuzz.known import KINDS, Known
from tests.fuzz.methods import Method, contract
from tests.fuzz.raw import CONVERSATIONS, talk
from tests.service import Service

BATCH = 500
"""Messages of one hypothesis run, which remembers all that it drew."""

AT_ONCE = 8
"""Calls in flight."""

SHOWN = 4000
"""Characters of a message that a finding shows."""

SETTINGS = {
    "EVALD_SLOTS": "2",
    "EVALD_LIVE_SLOTS": "2",
    "EVALD_LIVE_SECONDS": "3",
    "EVALD_MAX_RUNTIME": "5",
    "EVALD_MAX_ATTEMPTS": "1",
    "EVALD_GRACE_SECONDS": "1",
    "EVALD_GPUS": "1",
    "EVALD_EGRESS": "127.0.0.1",
    "EVALD_RATE_LIMIT": "0",
    "EVALD_LOG_LEVEL": "warning",
}
"""Jobs that messages start reach nothing but this machine, and end soon."""


@contextmanager
def target(data_dir: Path, **more: str) -> Iterator[Service]:
    """A service to fuzz, with `more` settings, and a model for it to ask."""
    with (
        Endpoint(record=False) as model,
        Service(data_dir, **SETTINGS, **more, EVALD_INFERENCE_URL=model.url) as service,
    ):
        rows = data_dir.parent / "rows.jsonl"
        rows.write_text('{"a": "x", "prompt": "p", "ideal_response": "p"}\n' * 3)
        service.run("datasets", "put", "fuzz/rows", str(rows))
        yield service


@dataclass(frozen=True)
class Finding:
    """Something that should not be, and the message that did it, as text or bytes in hex."""

    what: str
    method: str = ""
    details: str = ""
    message: str = ""

    def __str__(self) -> str:
        where = f"{self.method}: " if self.method else ""
        return "\n    ".join(filter(None, (where + self.what, self.details, self.message)))


class Run:
    """Sends messages to a service, and counts what comes of them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.known = Known()
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.slowest: dict[str, float] = defaultdict(float)
        self.findings: list[Finding] = []
        self.first = growth.held(service)
        self._lock = Lock()

    def play(self, messages: st.SearchStrategy[tuple[Method, Any]], count: int, start: int) -> None:
        """Sends `count` messages, or bytes, that hypothesis draws from seed `start` on."""
        caller = Caller(self.service.grpc)
        room = Semaphore(2 * AT_ONCE)
        with ThreadPoolExecutor(AT_ONCE) as threads:

            def send(sent: tuple[Method, Any]) -> None:
                room.acquire()
                asked = threads.submit(self._send, caller, *sent)
                asked.add_done_callback(lambda _: room.release())
                asked.add_done_callback(self._told)

            for first in range(0, count, BATCH):
                drawn(messages, send, min(BATCH, count - first), start + first)
        caller.close()

    def count(self, name: str, code: str, seconds: float) -> None:
        with self._lock:
            self.counts[name][code] += 1
            self.slowest[name] = max(self.slowest[name], seconds)

    def converse(self, count: int, start: int) -> None:
        """Says things on both ports that are hardly HTTP."""
        drawn(CONVERSATIONS, self.say, count, start)

    def say(self, said: bytes) -> None:
        """Says something on both ports, which must go on listening."""
        for address in (self.service.grpc, self.service.rest.removeprefix("http://")):
            host, port = address.split(":")
            try:
                talk((host, int(port)), said)
            except OSError as e:
                self.find(Finding(repr(e), f"port {port}", "", said.hex()))

    def find(self, finding: Finding) -> None:
        with self._lock:
            self.findings.append(finding)

    def settle(self) -> Held:
        """Deletes all that there is, waits until nothing runs, and says what the service holds.
        What creates have answered and what is stored must be the same."""
        caller = Caller(self.service.grpc)
        for kind in KINDS[:3]:
            stored = growth.ids(self.service, kind.lower())
            if odd := stored ^ self.known.made[kind]:
                self.find(Finding(f"{kind}: stored or created, not both: {sorted(odd)[:5]}"))
        caller.close()
        self.clear()
        self.known.forget()
        return self.rested()

    def clear(self) -> None:
        """Deletes every job, target and config."""
        caller = Caller(self.service.grpc)
        methods = {method.name: method for method in contract()}
        deadline = time.monotonic() + 60
        while jobs := growth.ids(self.service, "job"):
            for job_id in jobs:
                delete = methods["DeleteJob"].request(job_id=job_id)
                caller.call(methods["DeleteJob"], delete.SerializeToString())
            if time.monotonic() > deadline:
                self.find(Finding(f"jobs that cannot be deleted: {sorted(jobs)[:5]}"))
                break
        for kind in ("Target", "Config"):
            method = methods[f"Delete{kind}"]
            for namespace, name in growth.names(self.service, kind.lower()):
                request = method.request(namespace=namespace, name=name)
                caller.call(method, request.SerializeToString())
        caller.close()

    def rested(self) -> Held:
        """What the service holds when it has come to rest."""
        deadline = time.monotonic() + 20
        while (held := growth.held(self.service)).children > growth.CHILDREN:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return held

    def _send(self, caller: Caller, method: Method, sent: Message | bytes) -> None:
        request = sent if isinstance(sent, bytes) else sent.SerializeToString()
        outcome = caller.call(method, request)
        self.count(method.name, outcome.code.name, outcome.seconds)
        if outcome.wrong:
            message = (
                sent.hex() if isinstance(sent, bytes) else MessageToString(sent, as_one_line=True)
            )
            self.find(Finding(outcome.wrong, method.path, outcome.details[:500], message[:SHOWN]))
        if isinstance(sent, bytes):
            try:
                sent = method.request()
                sent.ParseFromString(request)
            except DecodeError:
                return
        for answer in outcome.answers:
            self.known.note(method, sent, method.answer(answer))

    def _told(self, asked: Any) -> None:
        if error := asked.exception():
            self.find(Finding(f"the fuzz itself failed: {error!r}"))


def shown(sent: Message | bytes) -> str:
    """A message as text, bytes in hex."""
    text = sent.hex() if isinstance(sent, bytes) else MessageToString(sent, as_one_line=True)
    return text[:SHOWN]


def drawn(messages: Any, send: Callable[[Any], None], count: int, start: int) -> None:
    """Draws messages and sends them, the same ones for the same seed."""

    @seed(start)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(messages)
    def each(message: Any) -> None:
        send(message)

    each()
