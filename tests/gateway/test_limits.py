"""What the gateway takes of one client: requests a second, bytes of a body."""

import sys
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

from evald.envoy import Envoy
from evald.rpc import size
from evald.settings import Settings
from evaluation.v1 import target_pb2
from tests.ports import free_port

JOBS = "/v1/evaluation/jobs"


@pytest.fixture
def start(gateway, tmp_path):
    """Starts gateways in front of the stub; answers where they listen."""
    started = []

    def start(**limits):
        settings = Settings(rest_port=free_port(), **limits)
        envoy = Envoy(settings, gateway.folder, log_path=tmp_path / "log", threads=1)
        started.append(envoy)
        envoy.start()
        return f"http://127.0.0.1:{settings.rest_port}"

    yield start
    for envoy in started:
        envoy.stop()


def refused(origin, session, headers=lambda number: {}):
    """The first answer that is none, of 100 requests that are made at once."""
    for number in range(100):
        answer = session.get(origin + JOBS, headers=headers(number), timeout=30)
        if answer.status_code != 200:
            return answer
    return None


def test_requests_a_second(start, gateway):
    origin = start(rate_limit=1)
    answer = refused(origin, gateway.session)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"detail": "Too many requests at once; try again later.", "code": 8}
    for _ in range(20):
        assert gateway.session.get(f"{origin}/health", timeout=30).status_code == 200
    deadline = time.monotonic() + 30
    while gateway.session.get(origin + JOBS, timeout=30).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_header_gives_no_address_of_its_own(start, gateway):
    origin = start(rate_limit=1)
    for name in ("x-forwarded-for", "x-envoy-external-address", "forwarded"):
        answer = refused(origin, gateway.session, lambda n, name=name: {name: f"192.0.2.{n}"})
        assert answer.status_code == 429


@pytest.mark.skipif(sys.platform != "linux", reason="one loopback address elsewhere")
def test_each_address_has_its_own(start, gateway):
    origin = start(rate_limit=1)
    assert refused(origin, gateway.session).status_code == 429
    with requests.Session() as other:
        adapter = HTTPAdapter()
        adapter.init_poolmanager(1, 1, source_address=("127.0.0.2", 0))
        other.mount("http://", adapter)
        assert other.get(origin + JOBS, timeout=30).status_code == 200


def test_no_limit(start, gateway):
    assert refused(start(rate_limit=0), gateway.session) is None


@pytest.mark.parametrize("limit", [1024, 20 << 20])
def test_bytes_of_a_body(start, gateway, limit):
    url = f"{start(body_limit=limit)}/v1/evaluation/targets"
    headers = {"content-type": "application/json"}
    text = '{"description":"%s"}' % ("x" * (limit - len('{"description":""}')))
    assert len(text) == limit
    answer = gateway.session.post(url, text, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
    assert len(gateway.stub.request.target.description) == limit - len('{"description":""}')
    answer = gateway.session.post(url, text + " ", headers=headers, timeout=30)
    assert answer.status_code == 413
    assert answer.json()["code"] == 8
    assert len(gateway.stub.requests) == 1


def test_numbers_are_longer_in_a_message_and_reach_the_server(gateway):
    """Which says in words of its own that they are too many; to Envoy the body is small enough."""
    numbers = 5 << 20
    rows = gateway.received(
        "/targets", '{"rows":[{"a":[%s1]}]}' % ("1," * (numbers - 1))
    ).target.rows
    assert rows[0].ByteSize() > 5 * 2 * numbers
    assert len(rows[0]["a"]) == numbers


@pytest.mark.parametrize("text", ["x", "<", "&", "\x7f", "\u2028"])
def test_as_many_bytes_as_an_answer_may_have_are_sent_on(start, gateway, monkeypatch, text):
    monkeypatch.setattr(size, "LEAST_ANSWER", 1 << 20)
    url = f"{start(body_limit=1024)}/v1/evaluation/targets/s/n"
    described = text * (((1 << 20) - 4) // len(text.encode()))
    target = target_pb2.Target(description=described)
    assert (1 << 20) - 4 < target.ByteSize() <= 1 << 20
    gateway.stub.answers["GetTarget"] = target
    answer = gateway.session.get(url, timeout=30)
    assert (answer.status_code, answer.json()["description"]) == (200, described)


def test_an_answer_that_is_too_large_is_an_error(start, gateway, monkeypatch):
    monkeypatch.setattr(size, "LEAST_ANSWER", 1 << 20)
    url = f"{start(body_limit=1024)}/v1/evaluation/targets/s/n"
    gateway.stub.answers["GetTarget"] = target_pb2.Target(description="x" * (8 << 20))
    answer = gateway.session.get(url, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (500, 13)
    assert answer.json()["detail"]
    assert answer.headers["x-should-retry"] == "false"


def test_a_header_with_an_underscore_is_refused(gateway):
    answer = gateway.get("/jobs", headers={"x_request_id": "a"})
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert answer.json()["code"] == 3
    assert gateway.stub.requests == []
