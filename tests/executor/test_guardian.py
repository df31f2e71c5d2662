"""What a process leaves behind ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evald.executor import marker
from tests.processes import is_alive

Until = Callable[[Callable[[], Any]], None]

LEADER = """
import subprocess, sys
from evald.executor.guardian import guard

guard(sys.argv[1])
print(subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read(1)
"""


def test_a_group_and_a_folder_end_with_a_killed_process(tmp_path: Path, until: Until) -> None:
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    mark = marker.new()
    with subprocess.Popen(
        [sys.executable, "-c", LEADER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, marker.NAME: mark},
        text=True,
    ) as leader:
        assert leader.stdout is not None
        pid = int(leader.stdout.readline())
        assert is_alive(pid)
        assert folder.exists()
        marker.kill(mark)  # which must leave the guardian its time
    until(lambda: not is_alive(pid))
    until(lambda: not folder.exists())
