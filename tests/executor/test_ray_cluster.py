"""On a Ray cluster whose nodes come and go. Slow: runs with TEST_RAY_CLUSTER=1."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from evald.errors import Unavailable
from evald.executor import marker
from evald.executor.backend import JobSpec
from evald.executor.driver import Driver
from evald.executor.events import Done
from evald.executor.gpus import Gpus
from evald.executor.patience import Patience
from evald.executor.ray import RayBackend
from evald.settings import Settings
from tests.executor.conftest import set_mark, wait_until
from tests.executor.test_ray import death, parent
from tests.service import Service

pytestmark = [
    pytest.mark.skipif("TEST_RAY_CLUSTER" not in os.environ, reason="needs TEST_RAY_CLUSTER=1"),
    pytest.mark.xdist_group("ray-cluster"),
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[2]
MakeSpec = Callable[..., JobSpec]
Until = Callable[[Callable[[], Any]], None]


class Nodes:
    """The cluster of tests/executor/nodes.py."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.executor.nodes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                cwd=ROOT,
                start_new_session=True,
            )
        self.address = self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def do(self, command: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer()

    def add(self, gpus: int = 1) -> tuple[int, str]:
        """Adds a node; answers the process id of its raylet, and its id."""
        raylet, node_id = self.do(f"add {gpus}").split()
        return int(raylet), node_id

    def close(self) -> None:
        try:
            self._process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):  # agents of Ray wait for nodes that were killed
                os.killpg(self._process.pid, signal.SIGKILL)


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster, listening on the loopback address, whose every process is gone at the end."""
    mark = marker.new()
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as name:
        for key, value in {
            "RAY_TMPDIR": name,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
            marker.NAME: mark,
        }.items():
            monkeypatch.setenv(key, value)
        set_mark(monkeypatch)
        nodes = Nodes(tmp_path / "nodes.log")
        yield nodes
        try:
            nodes.close()
        finally:
            marker.kill(mark)


@pytest.fixture
def settings(nodes: Nodes, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, executor="ray", ray_address=nodes.address)


def test_what_is_lost_with_a_node(
    nodes: Nodes, settings: Settings, make_spec: MakeSpec, until: Until
) -> None:
    raylets = [nodes.add()[0] for _ in range(2)]
    backend = RayBackend(settings, Driver(settings))
    runs = [backend.start(make_spec("stubborn", devices=("0",))) for _ in range(2)]
    first, second = sorted(runs, key=lambda run: raylets.index(parent(parent(run.pid))))
    nodes.do("kill 0")
    assert death(first).kind == "lost"
    until(lambda: not Path(f"/proc/{first.pid}").exists())
    assert Path(f"/proc/{second.pid}").exists()
    # No node has room now; a new one does.
    third = backend.start(make_spec("tell", devices=("0",)))
    nodes.add()
    assert isinstance(list(third.events())[-1], Done)
    backend.close()
    assert death(second).kind == "stopped"
    until(lambda: not Path(f"/proc/{second.pid}").exists())


def test_gpus_are_known_as_nodes_come_and_go(
    nodes: Nodes, settings: Settings, until: Until
) -> None:
    gpus = Gpus("none")
    with closing(Driver(settings, on_gpus=gpus.replace)) as driver:
        assert gpus.devices == ()
        os.kill(driver._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        # It is started again though there is nothing that it could carry.
        nodes.add()
        until(lambda: len(gpus.devices) == 1)
        [first] = gpus.devices
        assert first.name == "GPU on 127.0.0.1"
        nodes.add(2)
        until(lambda: len(gpus.devices) == 3)
        nodes.do("kill 0")
        until(lambda: len(gpus.devices) == 2)
        assert first not in gpus.devices


def test_a_job_runs_where_its_gpus_are(
    nodes: Nodes, settings: Settings, make_spec: MakeSpec, until: Until
) -> None:
    added = [nodes.add() for _ in range(3)]
    gpus = Gpus("none")
    with closing(RayBackend(settings, Driver(settings, on_gpus=gpus.replace))) as backend:
        until(lambda: len(gpus.devices) == 3)
        names = {device.node: device.visible for device in gpus.devices}
        for raylet, node_id in reversed(added):
            run = backend.start(make_spec("stubborn", devices=(names[node_id],)))
            assert parent(parent(run.pid)) == raylet


def test_what_is_lost_with_the_driver_and_the_head(
    nodes: Nodes,
    settings: Settings,
    make_spec: MakeSpec,
    until: Until,
) -> None:
    nodes.add()
    driver = Driver(settings)
    backend = RayBackend(settings, driver)
    run = backend.start(make_spec("stubborn"))
    assert driver._process is not None
    pid = run.pid
    os.kill(driver._process.pid, signal.SIGKILL)
    assert death(run).kind == "lost"
    until(lambda: not Path(f"/proc/{pid}").exists())
    run = Patience()(lambda: backend.start(make_spec("stubborn")))
    pid = run.pid
    nodes.do("kill head")
    assert death(run).kind == "lost"
    until(lambda: not Path(f"/proc/{pid}").exists())
    until(lambda: "EVALD_RAY_ADDRESS: nobody listens" in (driver._away or ""))
    with pytest.raises(Unavailable, match="EVALD_RAY_ADDRESS"):
        backend.start(make_spec("tell"))
    backend.close()


def test_a_job_survives_its_node(nodes: Nodes, settings: Settings, tmp_path: Path) -> None:
    given = {"EVALD_EXECUTOR": "ray", "EVALD_RAY_ADDRESS": nodes.address}
    with Service(tmp_path / "data", **given) as service:
        raylets = [nodes.add()[0] for _ in range(2)]
        wait_until(lambda: len(get(service, "executor")["devices"]) == 2)
        sign = tmp_path / "sign"
        config = {
            "type": "trial",
            "tasks": {"qa": {"type": "sign"}},
            "params": {"gpus": 1, "extra": {"sign": str(sign)}},
        }
        body = {"target": {"type": "rows", "rows": [{"a": 1}]}, "config": config}
        answer = requests.post(f"{service.rest}/v1/evaluation/jobs", json=larger(body), timeout=30)
        assert (answer.status_code, "no node has more than 1" in answer.text) == (422, True)
        job = post(service, "jobs", body)["id"]
        wait_until(sign.exists)
        pid = int(sign.read_text())
        sign.unlink()
        nodes.do(f"kill {raylets.index(parent(parent(pid)))}")
        wait_until(sign.exists)
        wait_until(lambda: not Path(f"/proc/{pid}").exists())
        found = get(service, f"jobs/{job}")
        assert [change["status"] for change in found["state_history"]][-2:] == [
            "pending",
            "running",
        ]
        post(service, f"jobs/{job}/cancel", {})
        wait_until(lambda: get(service, f"jobs/{job}")["status"] == "cancelled")
        assert not Path(f"/proc/{int(sign.read_text())}").exists()


def test_nothing_outlives_a_killed_server(
    nodes: Nodes, settings: Settings, tmp_path: Path, until: Until
) -> None:
    nodes.add()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, nodes.address, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        pids = [int(word) for word in server.stdout.readlines(1)[-1].split()]
        server.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


SERVER = """
import sys
from pathlib import Path
import structlog
from evald.executor.backend import JobSpec
from evald.executor.driver import Driver
from evald.executor.ray import RayBackend
from evald.settings import Settings

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
settings = Settings(ray_address=sys.argv[1], data_dir=Path(sys.argv[2]))
driver = Driver(settings)
backend = RayBackend(settings, driver)
config = {"type": "trial", "do": "stubborn"}
attempt = backend.start(JobSpec("eval-trial", 1, config, {}, settings.clients))
print(attempt.pid, driver._process.pid, flush=True)
input()
"""


def larger(body: dict[str, Any]) -> dict[str, Any]:
    """A job that asks for the GPUs of two nodes."""
    config = body["config"]
    return {**body, "config": {**config, "params": {**config["params"], "gpus": 2}}}


def post(service: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"{service.rest}/v1/evaluation/{path}"
    answer = requests.post(url, json=body, timeout=30)
    assert answer.ok, answer.text
    return dict(answer.json())


def get(service: Service, path: str) -> dict[str, Any]:
    return dict(requests.get(f"{service.rest}/v1/evaluation/{path}", timeout=30).json())
