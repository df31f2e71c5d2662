"""Runs `evald up` for tests, benchmarks and the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import psutil
import requests

from tests.ports import free_port

START_SECONDS = 60
END_SECONDS = 20


class Service:
    """`evald up` in a process of its own, on free loopback ports, ready when the block begins.

    `settings` are EVALD_* variables; other ones of this process are not passed on. A block may
    stop it and start it again; it is stopped at the end of the block.
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "evald.log"
        self._grpc_port, self._rest_port = free_port(), free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("EVALD_")}
        self._environment = {**inherited, "EVALD_DATA_DIR": str(data_dir), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._scheme = "https" if "EVALD_TLS_CERT" in settings else "http"
        self.tls: dict[str, Any] = {}
        """What `requests` needs for TLS: `verify`, and `cert` where the service demands one."""

    @property
    def rest(self) -> str:
        """Base URL of the REST surface."""
        return f"{self._scheme}://127.0.0.1:{self._rest_port}"

    @property
    def grpc(self) -> str:
        """Address of the gRPC server."""
        return f"127.0.0.1:{self._grpc_port}"

    @property
    def database(self) -> str:
        """URL of the database."""
        sqlite = f"sqlite:///{self.data_dir / 'evald.db'}"
        return self._environment.get("EVALD_DATABASE_URL") or sqlite

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the service and waits until it is ready; ends it and says why when it is not."""
        ports = ("--grpc-port", str(self._grpc_port), "--rest-port", str(self._rest_port))
        self.data_dir.mkdir(parents=True, exist_ok=True)
        # Sockets have short names, and a server that is killed leaves its own behind.
        self._temporary = TemporaryDirectory(prefix="evald-test-")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evald", "up", *ports],
                env={**self._environment, "TMPDIR": self._temporary.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C reaches evald through `stop` alone, as one signal.
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the service."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def stopped(self) -> bool:
        """Whether it was told to pause, and not to go on yet."""
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def await_exit(self, seconds: float) -> int | None:
        """The exit status of a service that ends by itself; None if it has not ended by then."""
        assert self._process is not None
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._clean_up()
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the service with a signal, by force after a while; answers its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._clean_up()

    def run(self, *arguments: str) -> str:
        """Runs an `evald` command on the service's data dir and answers what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "evald", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def _clean_up(self) -> None:
        """Removes the temporary folder, into which what a killed server has started may write
        until it has noticed."""
        deadline = time.monotonic() + END_SECONDS
        while True:
            try:
                self._temporary.cleanup()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"evald did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.rest}/health", timeout=2, **self.tls).status_code == 200
        except requests.RequestException:
            return False

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
