"""What ends with a process, however that ends."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress


def guard(folder: str, *descriptors: int) -> None:
    """Sees to it that when this process ends, its group does, and `folder` is removed.

    A process of its own waits for that, so that it holds also for one that is killed. Call it in
    the leader of a session, before it has threads; `descriptors` are not held open by who waits.
    """
    group = os.getpid()
    read, write = os.pipe()
    if os.fork() > 0:
        os.close(read)
        return  # without closing the other end, which the system does
    try:
        os.setsid()
        for descriptor in (write, *descriptors):
            os.close(descriptor)
        os.read(read, 1)
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)
