"""The process that speaks to Ray, seen from the server."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, BinaryIO

import structlog

from evald.domain.devices import Device
from evald.errors import InvalidArgument, Unavailable
from evald.executor import marker
from evald.executor.environment import scrubbed
from evald.processes import signal_group
from evald.settings import Settings

log = structlog.get_logger()

START_SECONDS = 120
"""How long Ray may take to start, or to answer."""

AGAIN_SECONDS = 1
"""How long is waited before it is tried again to start the driver."""

CONNECT_SECONDS = 5
"""How long its head may take to accept a connection."""

END_SECONDS = 20
"""How long it may take to end by itself."""

GOING = "the server is going down"

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
        on_gpus: Callable[[Sequence[Device]], None] = lambda _: None,
    ) -> None:
        """`devices` are those of a Ray that is started here; `on_gpus` is told which GPUs the
        nodes have, now and when that changes. Raises Unavailable when there is no Ray to work with,
        and InvalidArgument when a setting asks for what Ray does not do."""
        if settings.gpu_sharing:
            raise InvalidArgument.of(
                "EVALD_GPU_SHARING", "Ray gives each job GPUs of its own; use EVALD_EXECUTOR=local"
            )
        if importlib.util.find_spec("ray") is None:
            raise Unavailable("EVALD_EXECUTOR=ray needs Ray: pip install 'evald[ray]'")
        self._address = settings.ray_address
        self._where = self._address or "a Ray of its own"
        attempts = settings.slots + settings.live_slots
        self._cpus = max(1, math.ceil(attempts * settings.ray_cpus))
        self._least_cpus = settings.ray_cpus
        self._devices = tuple(devices)
        self._on_gpus = on_gpus
        self._log = settings.data_dir / "ray.log"
        self._lock = Lock()
        self._closing = Event()
        self._away: str | None = None
        """Why it carries no attempts now; None when it does."""
        self.marker = ""
        """What the environment of all processes of a Ray that was started here has."""
        try:
            lines = self._start()
        except OSError as e:
            raise Unavailable(f"Ray's driver cannot be started: {e}") from e
        # What is left of a server that was killed, and its driver with it: that had its time now.
        marker.kill_orphans()
        self._keeper = Thread(target=self._keep, args=[lines], name="ray", daemon=True)
        self._keeper.start()

    def open(self) -> socket.socket:
        """A socket whose other end carries one attempt. Raises Unavailable while Ray is away, as
        while its head is started again."""
        with self._lock:
            if self._closing.is_set():
                raise Unavailable(GOING)
            if self._away is not None:
                raise Unavailable(self._away)
            ours, theirs = socket.socketpair()
            with theirs:
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [theirs.fileno()]))
                try:  # not by send_fds, which drops the flag
                    self._control.sendmsg([b"a"], [rights], socket.MSG_DONTWAIT)
                except OSError as e:
                    ours.close()
                    cause = f"the driver of Ray takes no attempts ({e}); see {self._log}"
                    raise Unavailable(cause) from e
            return ours

    def close(self) -> None:
        """Ends it, and a Ray that it has started. No process of that is left when this returns, but
        for a moment the one that removes its files."""
        with self._lock:
            self._closing.set()
            self._hang_up()
        self._keeper.join()
        self._end()

    def _keep(self, lines: BinaryIO | None) -> None:
        """Hears what it says, and starts it again when it has died."""
        while lines is not None:
            self._hear(lines)
            with self._lock:
                if self._closing.is_set():
                    return
                self._away = f"the driver of Ray died and is started again; see {self._log}"
            log.warning("the driver of Ray died and is started again", log=str(self._log))
            self._on_gpus([])  # nodes that are back may have other names, and their GPUs too
            with suppress(OSError):
                self._end()
            lines = self._start_again()

    def _start_again(self) -> BinaryIO | None:
        """Tries until it runs, or until `close`, and answers None then."""
        while not self._closing.wait(AGAIN_SECONDS):
            try:
                return self._start()
            except Unavailable as e:
                cause = e.message
            except Exception as e:
                cause = f"Ray's driver cannot be started: {e!r}"
            if cause != self._away:
                log.warning("Ray is away", cause=cause)
            self._away = cause
        return None

    def _hear(self, lines: BinaryIO) -> None:
        """Hears what there is when nodes have come or gone, until it ends."""
        with lines, suppress(OSError, ValueError, TypeError):
            for line in lines:
                self._learn("nodes of Ray have come or gone", **json.loads(line))

    def _learn(self, news: str, *, nodes: int, cpus: int, gpus: Sequence[Any]) -> None:
        """Learns what the nodes have."""
        log.info(news, ray=self._where, nodes=nodes, cpus=cpus, gpus=len(gpus))
        self._on_gpus([Device(**gpu) for gpu in gpus])

    def _start(self) -> BinaryIO:
        """Starts it; answers what it says from now on. Raises Unavailable or OSError."""
        if self._address is not None:
            check_address(self._address)
        with self._lock:
            if self._closing.is_set():
                raise Unavailable(GOING)
            self._control, theirs = socket.socketpair()
        self.marker = marker.new()
        self._process: subprocess.Popen[bytes] | None = None
        lines = self._control.makefile("rb")
        try:
            with theirs:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                with self._log.open("ab") as printed:
                    self._process = subprocess.Popen(
                        [sys.executable, "-P", "-c", CODE, str(theirs.fileno())],
                        stdin=subprocess.DEVNULL,
                        stdout=printed,
                        stderr=printed,
                        pass_fds=(theirs.fileno(),),
                        start_new_session=True,
                        env=self._environment(),
                    )
            self._shake_hands(lines)
        except BaseException:
            lines.close()
            self._end()
            raise
        self._away = None
        return lines

    def _shake_hands(self, lines: BinaryIO) -> None:
        """Says what to connect to, and hears what there is."""
        asked = {
            "address": self._address,
            "cpus": self._cpus,
            "gpus": len(self._devices),
            "least_cpus": self._least_cpus,
        }
        self._control.settimeout(START_SECONDS)
        try:
            self._control.sendall(json.dumps(asked).encode() + b"\n")
            answer = lines.readline()
        except TimeoutError as e:
            raise Unavailable(
                f"Ray at {self._where} (EVALD_RAY_ADDRESS) did not answer within "
                f"{START_SECONDS} s; see {self._log}"
            ) from e
        except OSError:
            answer = b""
        self._control.settimeout(None)
        told: dict[str, Any] = {"error": "it ended at once"}
        if answer.endswith(b"\n"):
            told = json.loads(answer)
        if "error" in told:
            raise Unavailable(
                f"Ray at {self._where} (EVALD_RAY_ADDRESS) cannot be used: {told['error']}; this "
                "machine must be a node of the cluster, such as by `ray start --address`; see "
                f"{self._log}"
            )
        self._learn("connected to Ray", **told)

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

    def _hang_up(self) -> None:
        """Ends what it says and hears, also for who reads it now."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        self._hang_up()
        self._control.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            signal_group(self._process.pid, signal.SIGKILL)  # others may be left when it has ended
            self._process.wait()
        marker.kill(self.marker)


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
