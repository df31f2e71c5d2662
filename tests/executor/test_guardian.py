"""What a process leaves behind ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evald.executor import marker
from tests.processes import is_alive, pid_of

Until = Callable[[Callable[[], Any]], None]

LEADER = """
import subprocess, sys
from evald.executor.guardian import guard

guard(sys.argv[1])
print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read(1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    return folder


@pytest.fixture
def mark() -> str:
    return marker.new()


@pytest.fixture
def leader(folder: Path, mark: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is guarded. Prints the pid of another one in its group."""
    with subprocess.Popen(
        [sys.executable, "-c", LEADER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, marker.NAME: mark},
        text=True,
    ) as process:
        yield process
        process.kill()


def test_a_group_and_a_folder_end_with_a_killed_process(
    leader: subprocess.Popen[str], folder: Path, until: Until
) -> None:
    pid = pid_of(leader)
    assert is_alive(pid)
    assert folder.exists()
    leader.kill()
    until(lambda: not is_alive(pid))
    until(lambda: not folder.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="markers are found in /proc")
def test_who_kills_what_is_marked_leaves_the_guardian_its_time(
    leader: subprocess.Popen[str], mark: str, folder: Path, until: Until
) -> None:
    assert is_alive(pid_of(leader))
    marker.kill(mark)
    until(lambda: not folder.exists())
