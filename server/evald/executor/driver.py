"""The process that speaks to Ray, seen from the server."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, BinaryIO

import structlog

from evald.domain.devices import Device
from evald.errors import InvalidArgument, Unavailable
from evald.executor import marker
from evald.executor.environment import scrubbed
from evald.settings import Settings

log = structlog.get_logger()

START_SECONDS = 120
"""How long Ray may take to start, or to answer."""

CONNECT_SECONDS = 5
"""How long its head may take to accept a connection."""

END_SECONDS = 20
"""How long it may take to end by itself."""

CODE = "import sys; from evald.executor.cluster import main; main(int(sys.argv[1]))"
"""Not `-m`: of what is `__main__`, Ray would send copies to its workers."""


class Driver:
    """Ray's driver, started again when it has died, as it does when Ray's head is lost.

    Without EVALD_RAY_ADDRESS it starts a Ray on this machine, of its own, which ends with it.
    """

    def __init__(
        self,
        settings: Settings,
        devices: Sequence[Device] = (),
        *,
        on_gpus: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`devices` are those of a Ray that is started here; `on_gpus` is told how many GPUs all
        nodes have, now and when that changes. Raises Unavailable when there is no Ray to work with,
        and InvalidArgument when a setting asks for what Ray does not do."""
        if settings.gpu_sharing:
            raise InvalidArgument.of(
                "EVALD_GPU_SHARING", "Ray gives each job GPUs of its own; use EVALD_EXECUTOR=local"
            )
        if importlib.util.find_spec("ray") is None:
            raise Unavailable("EVALD_EXECUTOR=ray needs Ray: pip install 'evald[ray]'")
        self._address = settings.ray_address
        attempts = settings.slots + settings.live_slots
        self._cpus = max(1, math.ceil(attempts * settings.ray_cpus))
        self._devices = tuple(devices)
        self._on_gpus = on_gpus
        self._log = settings.data_dir / "ray.log"
        self._lock = Lock()
        self._closed = False
        self._failed_at, self._failure = -math.inf, ""
        self._process: subprocess.Popen[bytes] | None = None
        self.marker = ""
        """What the environment of all processes of a Ray that was started here has."""
        self._start()
        # What is left of a server that was killed, and its driver with it: that had its time now.
        marker.kill_orphans()

    def open(self) -> socket.socket:
        """A socket whose other end carries one attempt. Raises Unavailable while Ray is away, as
        while its head is started again."""
        asked = time.monotonic()
        with self._lock:
            if self._failed_at > asked:
                raise Unavailable(self._failure)  # who waited here need not find out once more
            try:
                return self._open()
            except Unavailable as e:
                self._failed_at, self._failure = time.monotonic(), e.message
                raise

    def close(self) -> None:
        """Ends it, and a Ray that it has started. Nothing of that is left when this returns."""
        self._closed = True
        with self._lock:
            self._end()

    def _open(self) -> socket.socket:
        if self._closed:
            raise Unavailable("the server is going down")
        if self._process is None or self._process.poll() is not None:
            log.warning("the driver of Ray died and is started again", log=str(self._log))
            self._end()
            self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"a"], [theirs.fileno()])
            except OSError as e:
                ours.close()
                raise Unavailable(f"the driver of Ray died; see {self._log}") from e
        return ours

    def _start(self) -> None:
        if self._address is not None:
            check_address(self._address)
        self.marker = marker.new()
        self._folder = tempfile.mkdtemp(prefix="evald-ray-", dir="/tmp")
        self._control, theirs = socket.socketpair()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, self._log.open("ab") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", CODE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=self._environment(),
            )
        lines = self._control.makefile("rb")
        try:
            self._shake_hands(lines)
        except Unavailable:
            lines.close()
            self._end()
            raise
        Thread(target=self._hear, args=[lines], name="ray", daemon=True).start()

    def _shake_hands(self, lines: BinaryIO) -> None:
        """Says what to connect to, and hears what there is."""
        where = self._address or "a Ray of its own"
        asked = {
            "address": self._address,
            "cpus": self._cpus,
            "gpus": len(self._devices),
            "folder": self._folder,
        }
        self._control.settimeout(START_SECONDS)
        try:
            self._control.sendall(json.dumps(asked).encode() + b"\n")
            answer = lines.readline()
        except TimeoutError as e:
            raise Unavailable(
                f"Ray at {where} (EVALD_RAY_ADDRESS) did not answer within {START_SECONDS} s; see "
                f"{self._log}"
            ) from e
        except OSError:
            answer = b""
        self._control.settimeout(None)
        told: dict[str, Any] = {"error": "it ended at once"}
        if answer.endswith(b"\n"):
            told = json.loads(answer)
        if "error" in told:
            raise Unavailable(
                f"Ray at {where} (EVALD_RAY_ADDRESS) cannot be used: {told['error']}; this machine "
                f"must be a node of the cluster, such as by `ray start --address`; see {self._log}"
            )
        log.info("connected to Ray", ray=where, **told)
        self._on_gpus(told["gpus"])

    def _hear(self, lines: BinaryIO) -> None:
        """Hears how many GPUs there are when nodes have come or gone."""
        with lines, suppress(OSError):
            for line in lines:
                told = json.loads(line)
                log.info("nodes of Ray have come or gone", **told)
                self._on_gpus(told["gpus"])

    def _environment(self) -> dict[str, str]:
        """As that of children, for Ray hands it on to its workers; and what concerns Ray."""
        visible = [device.visible for device in self._devices if not device.simulated]
        kept = scrubbed(os.environ, marker=self.marker, devices=visible)
        own = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
        if self._address is None:
            if not visible:
                del kept["CUDA_VISIBLE_DEVICES"]  # or Ray would not simulate GPUs
            own |= {
                "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listens on 127.0.0.1 alone
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": secrets.token_hex(32),
            }
            own.pop("RAY_ADDRESS", None)
        return {**kept, **own, "RAY_USAGE_STATS_ENABLED": "0"}

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        self._control.shutdown(socket.SHUT_RDWR)  # for who hears it has it open, too
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        marker.kill(self.marker)
        shutil.rmtree(Path(self._folder), ignore_errors=True)
        self._process = None


def check_address(address: str) -> None:
    """Raises Unavailable unless somebody listens there; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise Unavailable(
            f"EVALD_RAY_ADDRESS: {address!r} is not HOST:PORT of the head of a Ray cluster, as "
            "head:6379; evald joins it as a node, not by ray://"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as e:
        raise Unavailable(
            f"EVALD_RAY_ADDRESS: nobody listens on {address} ({e}); start the head of the cluster "
            "by `ray start --head`, or unset it for a Ray on this machine alone"
        ) from e
