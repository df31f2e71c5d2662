"""Ends what a process leaves behind, however that process ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from evald.executor import marker
from evald.processes import signal_group

REMOVE_SECONDS = 10
"""How long processes that are ended may go on to write into the folder."""


def guard(folder: str) -> None:
    """Sees to it that when this process ends, its group does, and `folder` is removed.

    A process of its own waits for that, so that it holds also for one that is killed. Call it in
    the leader of a session.
    """
    read, _held = os.pipe()  # which the system closes when this process has ended
    subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(os.getpid()), folder],
        stdin=read,
        start_new_session=True,
        # Without the marker, since who kills what is marked must leave it its time.
        env={name: value for name, value in os.environ.items() if name != marker.NAME},
    )
    os.close(read)


def main(group: int, folder: Path) -> None:
    """Waits for the end of standard input, and then ends a process group and removes a folder."""
    sys.stdin.buffer.read()
    signal_group(group, signal.SIGKILL)
    ends = time.monotonic() + REMOVE_SECONDS
    while folder.exists() and time.monotonic() < ends:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
