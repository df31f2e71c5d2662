"""Ends what a process leaves behind, however that process ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

from evald.executor import marker


def guard(folder: str) -> None:
    """Sees to it that when this process ends, its group does, and `folder` is removed.

    A process of its own waits for that, so that it holds also for one that is killed. Call it in
    the leader of a session.
    """
    read, _ = os.pipe()  # the other end is closed when this process has ended
    subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, str(os.getpid()), folder],
        stdin=read,
        start_new_session=True,
        # Who kills what is marked as ours would kill it before it is done.
        env={name: value for name, value in os.environ.items() if name != marker.NAME},
    )
    os.close(read)


def main(group: int, folder: str) -> None:
    """Waits for the end of standard input, and then ends a process group and removes a folder."""
    sys.stdin.buffer.read()
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
