"""TLS on both ports, and certificates of clients."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service import Service

NOW = datetime.now(UTC)
LASTS = timedelta(days=3650)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path

    @property
    def credentials(self) -> tuple[bytes, bytes]:
        return self.key.read_bytes(), self.cert.read_bytes()


def make_pair(folder: Path, name: str) -> Pair:
    """A pair that signs itself, for this machine, and may sign nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    places = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - LASTS)
        .not_valid_after(NOW + LASTS)
        .add_extension(places, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.pem", folder / f"{name}-key.pem")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Pair:
    return make_pair(folder, "server")


@pytest.fixture(scope="module")
def client(folder: Path) -> Pair:
    return make_pair(folder, "client")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Pair:
    return make_pair(folder, "stranger")


def service_of(folder: Path, ours: Pair, **settings: str) -> Service:
    pair = {"EVALD_TLS_CERT": str(ours.cert), "EVALD_TLS_KEY": str(ours.key)}
    service = Service(folder, **pair, EVALD_GPUS="none", EVALD_WARM_CHILDREN="0", **settings)
    service.tls["verify"] = str(ours.cert)
    return service


@pytest.fixture(scope="module")
def service(folder: Path, ours: Pair) -> Iterator[Service]:
    with service_of(folder / "one", ours) as service:
        yield service


@pytest.fixture(scope="module")
def mutual(folder: Path, ours: Pair, client: Pair) -> Iterator[Service]:
    service = service_of(folder / "both", ours, EVALD_TLS_CLIENT_CA=str(client.cert))
    service.tls["cert"] = (str(client.cert), str(client.key))
    with service:
        yield service


def is_serving(service: Service, authority: bytes, pair: Pair | None = None) -> bool:
    """Whether the gRPC server answers a client that trusts `authority` and shows `pair`."""
    key, cert = pair.credentials if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(authority, key, cert)
    with grpc.secure_channel(service.grpc, credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def list_jobs(service: Service, **tls: object) -> int:
    url = f"{service.rest}/v1/evaluation/jobs"
    return requests.get(url, timeout=30, **{**service.tls, **tls}).status_code  # type: ignore[arg-type]


def test_both_ports_show_the_certificate(service: Service, ours: Pair, stranger: Pair) -> None:
    assert service.rest.startswith("https:")
    assert list_jobs(service) == 200
    with pytest.raises(requests.exceptions.SSLError):
        list_jobs(service, verify=str(stranger.cert))
    assert is_serving(service, ours.cert.read_bytes())
    assert not is_serving(service, stranger.cert.read_bytes())


def test_neither_port_takes_plain_calls(service: Service) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(service.rest.replace("https", "http"), timeout=30)
    with grpc.insecure_channel(service.grpc) as channel, pytest.raises(grpc.RpcError):
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)


@pytest.mark.parametrize("port", ["rest", "grpc"])
def test_versions_and_protocols(service: Service, ours: Pair, port: str) -> None:
    address = (service.rest if port == "rest" else service.grpc).rpartition(":")
    context = ssl.create_default_context(cafile=str(ours.cert))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", int(address[2])), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.version() in {"TLSv1.2", "TLSv1.3"}
        assert wrapped.selected_alpn_protocol() == "h2"


def test_clients_must_have_a_certificate(
    mutual: Service, ours: Pair, client: Pair, stranger: Pair
) -> None:
    assert list_jobs(mutual) == 200
    authority = ours.cert.read_bytes()
    assert is_serving(mutual, authority, client)
    for other in (None, stranger):
        cert = other and (str(other.cert), str(other.key))
        with pytest.raises(requests.ConnectionError):
            list_jobs(mutual, cert=cert)
        assert not is_serving(mutual, authority, other)


def test_key_of_another_certificate_is_refused(ours: Pair, stranger: Pair, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evald", "serve", "--grpc-port", "0"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")],
        env={"EVALD_TLS_CERT": str(ours.cert), "EVALD_TLS_KEY": str(stranger.key)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"EVALD_TLS_CERT: {ours.cert} and the key {stranger.key} cannot be used" in done.stderr
