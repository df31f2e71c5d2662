"""The life of `evald up` as a process: drain, death, restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from evald.processes import children
from tests.e2e.test_rest import Rest, chat_config, model_target
from tests.endpoint import Endpoint
from tests.processes import is_alive
from tests.service import Service


def started(service: Service, rows_file: Path, endpoint: Endpoint, **params: Any) -> str:
    """A job that asks ten questions and runs."""
    service.run("datasets", "put", "ns/data", str(rows_file))
    config = chat_config("hf://datasets/ns/data", **params)
    body = {"target": model_target(endpoint), "config": config}
    rest = Rest(service)
    job_id: str = rest("POST", "/jobs", 201, json=body)["id"]
    await_that(lambda: rest("GET", f"/jobs/{job_id}")["status"] == "running")
    return job_id


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def await_gone(pids: list[int]) -> None:
    await_that(lambda: not any(map(is_alive, pids)))


def await_log(service: Service, text: str) -> None:
    await_that(lambda: text in service.log.read_text())


def test_signal_drains_and_leaves_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, EVALD_GRACE_SECONDS="1") as service:
        started_by = children(service.pid)
        assert len(started_by) >= 2  # Envoy and a warm child
        assert service.stop(signal.SIGINT) == 0
        await_gone(started_by)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service.rest}/health", timeout=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(
    tmp_path: Path, rows_file: Path, number: signal.Signals
) -> None:
    given = {"EVALD_GRACE_SECONDS": "60"}
    with Endpoint(latency=30) as endpoint, Service(tmp_path / "data", **given) as service:
        started(service, rows_file, endpoint, parallelism=1)
        await_that(lambda: endpoint.in_flight)
        started_by = children(service.pid)
        service.send(signal.SIGTERM)
        await_log(service, "stopping")
        assert service.await_exit(1) is None  # it lets the job go on
        began = time.monotonic()
        assert service.stop(number) == 128 + number
        assert time.monotonic() - began < 5
        await_gone(started_by)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of a killed parent")
def test_killed_server_takes_its_processes_along(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        started_by = children(service.pid)
        service.stop(signal.SIGKILL)
        await_gone(started_by)


def test_server_ends_when_its_gateway_dies(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        await_log(service, "evald is ready")  # until then it is a start that failed
        names = {
            pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in children(service.pid)
        }
        (envoy,) = (pid for pid, name in names.items() if name.startswith("envoy"))
        os.kill(envoy, signal.SIGKILL)
        assert service.await_exit(20) == 1
        assert "the gateway died" in service.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_job_goes_on_after_a_restart(
    tmp_path: Path, rows_file: Path, number: signal.Signals
) -> None:
    given = {"EVALD_GRACE_SECONDS": "0.2"}
    with Endpoint(latency=0.25) as endpoint, Service(tmp_path / "data", **given) as service:
        job_id = started(service, rows_file, endpoint, parallelism=1)
        await_that(lambda: len(endpoint.requests) > 5)
        service.stop(number)
        asked = len(endpoint.requests)
        assert 5 < asked < 10
        service.start()
        rest = Rest(service)
        job = rest.finish(job_id)
        again = len(endpoint.requests) - asked
        log = b"".join(rest.files(job_id, "logs").values()).decode()
        assert f"resumed: {10 - again} samples were kept" in log
    assert job["status"] == "completed"
    assert job["attempts"] == 2
    assert 10 - asked <= again <= 10 - asked + 2  # what was in flight, and what was not yet stored
    assert job["status_details"]["samples_processed"] == 10


def test_second_server_on_a_data_dir_is_refused(service: Service) -> None:
    command = [sys.executable, "-m", "evald", "serve", "--data-dir", str(service.data_dir)]
    done = subprocess.run(
        [*command, "--grpc-port", "0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "another evald runs on" in done.stderr


@pytest.mark.parametrize("taken", ["grpc", "rest"])
def test_port_that_is_taken_is_named(service: Service, tmp_path: Path, taken: str) -> None:
    grpc_port, rest_port = service.grpc.split(":")[1], service.rest.split(":")[2]
    ports = {"grpc": "0", "rest": rest_port} | ({"grpc": grpc_port} if taken == "grpc" else {})
    done = subprocess.run(
        [
            *(sys.executable, "-m", "evald", "up", "--data-dir", str(tmp_path)),
            *("--grpc-port", ports["grpc"], "--rest-port", ports["rest"]),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert (grpc_port if taken == "grpc" else f"port {rest_port} is taken") in done.stderr
