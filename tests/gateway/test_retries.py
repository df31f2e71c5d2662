"""What clients may try again by themselves: 429, and a 503 that began nothing or that only read."""

import contextlib
import socket
from threading import Thread

import nemo_microservices
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from evald.envoy import Envoy, private_folder
from evald.settings import Settings
from tests.ports import free_port


def status(code, *, wait=False):
    """An error; `wait` says when to come back, as the server does of what it has not begun."""
    details = [AnyMessage()] if wait else []
    for detail in details:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(10)
        detail.Pack(retry)
    return status_pb2.Status(code=code, message="not now", details=details)


def ask_job(client):
    client.evaluation.jobs.retrieve("eval-1")


def create_job(client):
    client.evaluation.jobs.create(target="a/b", config="a/c")


def evaluate_live(client):
    client.evaluation.live(target="a/b", config="a/c")


def update_target(client):
    client.evaluation.targets.update("n", namespace="ns", description="x")


def delete_target(client):
    client.evaluation.targets.delete("n", namespace="ns")


METHODS = {
    ask_job: "GetJob",
    create_job: "CreateJob",
    evaluate_live: "EvaluateLive",
    update_target: "UpdateTarget",
    delete_target: "DeleteTarget",
}
WRITES = [call for call in METHODS if call is not ask_job]
ALL = list(METHODS)
ONCE = (code_pb2.INTERNAL, code_pb2.UNIMPLEMENTED, code_pb2.DEADLINE_EXCEEDED)
SERVER = nemo_microservices.InternalServerError


@pytest.mark.reference("a.4 retries", "a.4 x-should-retry", "a.4 exceptions")
@pytest.mark.parametrize(
    ("call", "answer", "error", "count"),
    [
        *((call, status(code), SERVER, 1) for call in ALL for code in ONCE),
        *((c, status(code_pb2.ABORTED), nemo_microservices.ConflictError, 1) for c in ALL),
        *((call, status(code_pb2.UNAVAILABLE), SERVER, 1) for call in WRITES),
        (create_job, status(code_pb2.UNAVAILABLE, wait=True), SERVER, 3),
        (ask_job, status(code_pb2.UNAVAILABLE), SERVER, 3),
        (
            create_job,
            status(code_pb2.RESOURCE_EXHAUSTED, wait=True),
            nemo_microservices.RateLimitError,
            3,
        ),
    ],
)
def test_requests_of_the_official_client(gateway, call, answer, error, count):
    gateway.stub.answers[METHODS[call]] = answer
    with (
        nemo_microservices.NeMoMicroservices(base_url=gateway.origin) as client,
        pytest.raises(error, match="not now"),
    ):
        call(client)
    assert len(gateway.stub.requests) == count


class Wire:
    """A socket before another one, whose connections can be cut."""

    def __init__(self, place, target):
        self._target = str(target)
        self._ends = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(place))
        self._socket.listen()
        self._thread = Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.cut()
        self._thread.join()

    def cut(self):
        for end in self._ends:
            shut(end)

    def _serve(self):
        pipes = []
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                break
            called = socket.socket(socket.AF_UNIX)
            called.connect(self._target)
            self._ends += [caller, called]
            for pair in ((caller, called), (called, caller)):
                pipes.append(Thread(target=carry, args=pair))
                pipes[-1].start()
        for pipe in pipes:
            pipe.join()
        for end in self._ends:
            end.close()


def shut(end):
    with contextlib.suppress(OSError):  # it may be cut already
        end.shutdown(socket.SHUT_RDWR)


def carry(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    shut(target)


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_connection_that_breaks(gateway, tmp_path, verb):
    """The server had the request: what became of it nobody knows."""
    settings = Settings(rest_port=free_port())
    with private_folder() as folder, Wire(folder / "grpc", gateway.folder / "grpc") as wire:
        for method in ("ListJobs", "CreateJob"):
            gateway.stub.answers[method] = lambda request: wire.cut()
        envoy = Envoy(settings, folder, log_path=tmp_path / "log", threads=1)
        envoy.start()
        try:
            url = f"http://127.0.0.1:{settings.rest_port}/v1/evaluation/jobs"
            body = {} if verb == "POST" else None
            answer = gateway.session.request(verb, url, json=body, timeout=30)
        finally:
            envoy.stop()
    assert len(gateway.stub.requests) == 1
    assert answer.status_code == 503
    assert answer.json() == {"detail": "The connection to the gRPC server broke.", "code": 14}
    assert "retry-after" not in answer.headers
    assert answer.headers.get("x-should-retry") == (None if verb == "GET" else "false")
