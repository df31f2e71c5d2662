"""What is found by its marker, and what is not, is killed with its group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evald.executor import marker
from tests.processes import is_alive, pid_of

Start = Callable[..., subprocess.Popen[str]]
Until = Callable[[Callable[[], Any]], None]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it has no /proc")

CHILD = f"env -u {marker.NAME} sh -c 'echo $$; exec sleep 60' & exec sleep 60"
"""A child of which a part has lost its marker, as Ray's agents do. Prints that one's pid."""

SERVER = f"""
import os, subprocess
from evald.executor import marker
env = {{**os.environ, marker.NAME: marker.new()}}
subprocess.Popen(["sh", "-c", {CHILD!r}], env=env, start_new_session=True)
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a command whose first line is the pid that `pid_of` reads."""
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_child_is_killed_with_what_has_lost_its_marker(start: Start, until: Until) -> None:
    mark = marker.new()
    child = start("sh", "-c", CHILD, env={**os.environ, marker.NAME: mark}, start_new_session=True)
    pid = pid_of(child)
    assert is_alive(pid)
    marker.kill(mark)
    until(lambda: not is_alive(pid))


def test_what_a_server_that_is_gone_has_left_is_killed(start: Start, until: Until) -> None:
    server = start(sys.executable, "-c", SERVER)
    pid = pid_of(server)
    server.wait()
    marker.kill_orphans()
    until(lambda: not is_alive(pid))


def test_the_group_of_the_one_who_kills_is_spared(start: Start) -> None:
    mark = marker.new()
    pid = pid_of(start("sh", "-c", CHILD, env={**os.environ, marker.NAME: mark}))
    marker.kill(mark)
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_folders_of_servers_that_are_gone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = Path(marker.new_folder())
    with subprocess.Popen(["sleep", "60"]) as process:
        pid = str(process.pid)
        other = tmp_path / f"evald-child-{marker._identity(pid).replace(':', '-')}-x"
        gone = tmp_path / own.name.replace(f"-{os.getpid()}-", f"-{pid}-")
        foreign = tmp_path / "evald-child-1-2-3-x"
        for folder in (other, gone, foreign, tmp_path / "evald-child-"):
            folder.mkdir()
        marker.remove_orphans()
        process.kill()
    kept = {own.name, other.name, foreign.name, "evald-child-"}
    assert {folder.name for folder in tmp_path.iterdir()} == kept
