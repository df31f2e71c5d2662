"""A real Envoy in front of a gRPC server that answers what a test tells it to."""

from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from evald.envoy import Envoy, private_folder
from evald.settings import Settings
from evaluation.v1 import (
    config_service_pb2,
    executor_service_pb2,
    flow_service_pb2,
    job_service_pb2,
    result_service_pb2,
    target_service_pb2,
)
from tests.ports import free_port

LOOPBACK = "127.0.0.1"
FILES = (
    config_service_pb2,
    executor_service_pb2,
    flow_service_pb2,
    job_service_pb2,
    result_service_pb2,
    target_service_pb2,
)


@dataclass
class Stub(grpc.GenericRpcHandler):
    """Remembers each request, and answers a message, a google.rpc.Status or what a call makes."""

    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.methods = {
            f"/{service.full_name}/{method.name}": method
            for file in FILES
            for service in file.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    @property
    def request(self) -> Any:
        """The one request that came."""
        (request,) = self.requests
        return request

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = self.methods.get(details.method)
        if method is None:
            return None
        kind = "unary_stream" if method.server_streaming else "unary_unary"
        return getattr(grpc, f"{kind}_rpc_method_handler")(
            self._handler(method),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _handler(self, method: MethodDescriptor) -> Callable[[Any, Any], Any]:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            answer = self.answers.get(method.name)
            if callable(answer):
                answer = answer(request)
            if answer is not None and answer.__class__.__name__ == "Status":
                context.abort_with_status(rpc_status.to_status(answer))
            return answer or GetMessageClass(method.output_type)()

        def handle_stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            yield from handle(request, context)

        return handle_stream if method.server_streaming else handle


@dataclass
class Gateway:
    """REST as a caller sees it, and the server behind it."""

    stub: Stub
    health: health.HealthServicer
    origin: str
    folder: Path
    session: requests.Session

    def send(self, verb: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send a request below /v1/evaluation: a text as it stands, anything else as JSON."""
        if isinstance(body, (str, bytes)):
            options["data"] = body.encode() if isinstance(body, str) else body
        elif body is not None:
            options["json"] = body
        if "data" in options:
            options.setdefault("headers", {"Content-Type": "application/json"})
        url = f"{self.origin}/v1/evaluation{path}"
        return self.session.request(verb, url, timeout=30, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.send("POST", path, body, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def received(self, path: str, body: Any) -> Any:
        """What the server gets of a body that the gateway takes."""
        answer = self.post(path, body)
        assert answer.status_code in (200, 201), answer.text
        return self.stub.requests.pop()

    def refused(self, path: str, body: Any) -> dict[str, Any]:
        """The one reason for which the gateway refuses a body, before the server sees it."""
        answer = self.post(path, body)
        assert answer.status_code == 422, answer.text
        assert self.stub.requests == []
        (reason,) = answer.json()["detail"]
        return reason


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Envoy and the stub, once for each worker of the test run."""
    stub, servicer = Stub(), health.HealthServicer()
    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        handlers=[stub],
        options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)],
    )
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    log = tmp_path_factory.mktemp("gateway") / "envoy.log"
    settings = Settings(rest_port=free_port(), rate_limit=0)
    with private_folder() as folder:
        server.add_insecure_port(f"unix:{folder / 'grpc'}")
        server.start()
        envoy = Envoy(settings, folder, log_path=log, threads=1)
        try:
            envoy.start()
            with requests.Session() as session:
                session.trust_env = False
                origin = f"http://{LOOPBACK}:{settings.rest_port}"
                yield Gateway(stub, servicer, origin, folder, session)
        finally:
            envoy.stop()
            server.stop(None).wait()
    # Envoy would tell here of deprecated options and of errors in the dialect.
    lines = log.read_text().splitlines()
    assert [line for line in lines if "caught ENVOY_SIGTERM" not in line] == []


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """The gateway, with nothing in the server's memory."""
    stub = running.stub
    stub.answers, stub.requests, stub.metadata = {}, [], []
    return running
