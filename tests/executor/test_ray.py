"""What is Ray's own: what it has no room for, what is lost with it, what nodes must have."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evald.errors import InvalidArgument, Unavailable
from evald.executor import driver as drivers
from evald.executor import ray
from evald.executor.backend import ChildDied, JobSpec
from evald.executor.driver import Driver
from evald.executor.events import Done, Failed, Samples
from evald.executor.ray import RayBackend, Terms
from evald.settings import Settings
from tests.ports import free_port
from tests.processes import group, pid_of

MakeSpec = Callable[..., JobSpec]
Until = Callable[[Callable[[], Any]], None]

on_ray = pytest.mark.parametrize(
    "executor", [pytest.param("ray", marks=pytest.mark.xdist_group("ray"))], indirect=True
)


def death(run: ray.RayRun) -> ChildDied:
    with pytest.raises(ChildDied) as caught:
        list(run.events())
    return caught.value


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@on_ray
def test_a_lost_worker_is_the_loss_of_its_attempt(
    backend: RayBackend, make_spec: MakeSpec, until: Until
) -> None:
    run = backend.start(make_spec("stubborn"))
    said = run.events()
    next(said)
    os.kill(parent(run.pid), signal.SIGKILL)
    with pytest.raises(ChildDied, match="Ray lost the attempt") as caught:
        list(said)
    assert caught.value.kind == "lost"
    until(lambda: not Path(f"/proc/{run.pid}").exists())
    assert isinstance(list(backend.start(make_spec("tell")).events())[-1], Done)


class Mute:
    """A driver that has stopped."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()

    def open(self) -> socket.socket:
        return self.ours

    def close(self) -> None:
        self.theirs.close()


def test_a_run_ends_whose_driver_says_nothing(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "END_SECONDS", 0.1)
    backend = RayBackend(Settings(), Mute())
    run = backend.start(make_spec("tell"))
    run.stop(0.1)
    assert death(run).kind == "stopped"
    backend.close()


@on_ray
def test_an_attempt_that_ray_has_no_room_for_can_be_stopped(
    backend: RayBackend, make_spec: MakeSpec
) -> None:
    run = backend.start(make_spec("tell", devices=("0", "1", "2")))
    run.stop(60)
    assert death(run).kind == "stopped"


@on_ray
def test_attempts_wait_for_gpus(backend: RayBackend, make_spec: MakeSpec) -> None:
    first = backend.start(make_spec("samples", count=5, pause=0.01, devices=("0", "1")))
    second = backend.start(make_spec("tell", devices=("0",)))
    assert isinstance(list(first.events())[-1], Done)
    last = list(second.events())[-1]
    assert isinstance(last, Done)
    assert last.result["told"]["devices"] in ("0", "1")


@on_ray
def test_large_events_all_arrive(backend: RayBackend, make_spec: MakeSpec) -> None:
    said = list(backend.start(make_spec("samples", count=120, bytes=500_000)).events())
    found = [sample.index for e in said if isinstance(e, Samples) for sample in e.batch]
    assert found == list(range(120))


@on_ray
def test_a_node_must_have_the_same_evald(backend: RayBackend, make_spec: MakeSpec) -> None:
    terms = replace(Terms.of(Settings()), version="0.0.1")
    backend._terms = terms.encode()
    error = death(backend.start(make_spec("tell")))
    assert error.kind == "node"
    assert "the server 0.0.1; install the same one" in str(error)


@on_ray
def test_a_node_must_have_the_data_sets_that_are_asked_for(
    backend: RayBackend, make_spec: MakeSpec, tmp_path: Path
) -> None:
    elsewhere = Settings(data_dir=tmp_path / "elsewhere").clients
    spec = make_spec("tell", tasks={"qa": {"dataset": {"files_url": "hf://datasets/a/b"}}})
    error = death(backend.start(replace(spec, clients=elsewhere)))
    assert error.kind == "node"
    assert "EVALD_DATA_DIR" in str(error)
    for fit in (
        replace(make_spec("tell"), clients=elsewhere),
        replace(spec, clients=elsewhere.model_copy(update={"data_store_url": "http://h"})),
    ):
        assert isinstance(list(backend.start(fit).events())[-1], Done | Failed)


def test_gpus_are_not_shared(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="EVALD_GPU_SHARING"):
        Driver(Settings(data_dir=tmp_path, gpu_sharing=True))


def test_ray_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"pip install 'evald\[ray\]'"):
        Driver(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ":6379"])
def test_an_address_is_host_and_port(address: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"EVALD_RAY_ADDRESS: .* is not HOST:PORT"):
        Driver(Settings(data_dir=tmp_path, ray_address=address))


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=f"EVALD_RAY_ADDRESS: nobody listens on 127.0.0.1:{port}"):
        Driver(Settings(data_dir=tmp_path, ray_address=f"127.0.0.1:{port}"))


def test_a_driver_that_does_not_come_up_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "CODE", "raise SystemExit")
    with pytest.raises(Unavailable, match=r"cannot be used: it ended at once.*ray\.log"):
        Driver(Settings(data_dir=tmp_path))


SERVER = """
import sys
from pathlib import Path
import structlog
from evald.executor.driver import Driver
from evald.settings import Settings

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
print(Driver(Settings(data_dir=Path(sys.argv[1]), executor="ray"))._process.pid, flush=True)
input()
"""


@pytest.mark.xdist_group("ray")
def test_nothing_outlives_a_server_and_its_driver(tmp_path: Path, until: Until) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        pid = pid_of(server)
        [session] = Path("/tmp").glob(f"evald-ray-*/session_*_{pid}")
        # They would wait for their node, which ends with the driver.
        until(lambda: any("Agent" in command for command in group(pid).values()))
        server.kill()
        os.kill(pid, signal.SIGKILL)
    until(lambda: not group(pid))
    until(lambda: not session.parent.exists())
