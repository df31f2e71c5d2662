"""The wheel, installed into an environment of its own, serves from outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.ports import free_port

ROOT = Path(__file__).parents[2]

CARRIED = {
    "evald/gateway/envoy.yaml",
    "evald/gateway/evaluation.binpb",
    "evald/gateway/rest_schema.lua",
    "evald/store/migrations/env.py",
    "evald/py.typed",
    "evaluation/v1/job_service_pb2_grpc.py",
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT))
    [wheel] = folder.glob("*.whl")
    return wheel


def test_carries_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    modules = {f"evald/gateway/{p.name}" for p in (ROOT / "gateway").glob("*.lua")}
    versions = ROOT / "server/evald/store/migrations/versions"
    migrations = {f"evald/store/migrations/versions/{p.name}" for p in versions.glob("*.py")}
    assert modules
    assert migrations
    assert CARRIED | modules | migrations <= names
    assert (
        not {n.split("/")[0] for n in names}
        - {"evald", "evaluation"}
        - {n.split("/")[0] for n in names if ".dist-info/" in n}
    )
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    assert re.search("^License-Expression: Apache-2.0$", metadata, re.MULTILINE)


def test_serves_when_installed(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    bin_folder = tmp_path / "venv" / "bin"
    constraints = str(ROOT / "constraints.txt")
    call(
        str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "-c", constraints, str(wheel)
    )
    rows = [{"answer": "a", "truth": "a"}, {"answer": "b", "truth": "c"}]
    check = {"check": ["{{ answer }}", "==", "{{ truth }}"]}
    metrics = {"exact": {"type": "string-check", "params": check}}
    config = {"type": "custom", "tasks": {"qa": {"type": "data", "metrics": metrics}}}
    body = {"target": {"type": "rows", "rows": rows}, "config": config}
    with serving(bin_folder / "evald", tmp_path) as base:
        created = requests.post(f"{base}/v1/evaluation/jobs", json=body, timeout=30)
        assert created.status_code == 201, created.text
        url = f"{base}/v1/evaluation/jobs/{created.json()['id']}"
        deadline = time.monotonic() + 60
        while (job := requests.get(url, timeout=30).json())["status"] != "completed":
            assert job["status"] in {"created", "pending", "running"}, job
            assert time.monotonic() < deadline
            time.sleep(0.1)
        result = requests.get(f"{url}/results", timeout=30).json()
    score = result["tasks"]["qa"]["metrics"]["exact"]["scores"]["string-check"]
    assert score["value"] == 0.5


@contextmanager
def serving(evald: Path, folder: Path) -> Iterator[str]:
    """Runs `evald up` in a folder, with nothing of this process's environment but the path."""
    grpc_port, rest_port = free_port(), free_port()
    base = f"http://127.0.0.1:{rest_port}"
    command = [str(evald), "up", "--grpc-port", str(grpc_port), "--rest-port", str(rest_port)]
    with (folder / "evald.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={"PATH": os.defpath}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 60
        while not is_ready(base):
            assert process.poll() is None, (folder / "evald.log").read_text()
            assert time.monotonic() < deadline, (folder / "evald.log").read_text()
            time.sleep(0.1)
        yield base
        process.terminate()
        assert process.wait(30) == 0, (folder / "evald.log").read_text()
    finally:
        process.kill()
        process.wait()


def is_ready(base: str) -> bool:
    try:
        return requests.get(f"{base}/health", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def call(*command: str) -> None:
    """Runs a command; says what it printed when it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("EVALD_", "PYTHON"))}
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
