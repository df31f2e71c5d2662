"""What a process leaves behind ends with it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.processes import is_alive

Until = Callable[[Callable[[], Any]], None]

LEADER = """
import os, subprocess, sys
from evald.executor.guardian import guard

control, folder = int(sys.argv[1]), sys.argv[2]
guard(folder, control)
os.close(control)
print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read(1)
"""


def start(folder: Path, control: socket.socket) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LEADER, str(control.fileno()), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(control.fileno(),),
        start_new_session=True,
        text=True,
    )


def test_a_group_and_a_folder_end_with_a_killed_process(tmp_path: Path, until: Until) -> None:
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    ours, theirs = socket.socketpair()
    with ours, theirs, start(folder, theirs) as leader:
        assert leader.stdout is not None
        pid = int(leader.stdout.readline())
        assert is_alive(pid)
        assert folder.exists()
        leader.kill()
        until(lambda: not is_alive(pid))
        until(lambda: not folder.exists())


def test_a_closed_descriptor_is_not_held_open(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, start(tmp_path / "none", theirs):
        theirs.close()
        ours.settimeout(20)
        assert ours.recv(1) == b""
