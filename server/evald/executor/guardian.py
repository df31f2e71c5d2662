"""What ends with a process, however that ends."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress


def guard(folder: str, *descriptors: int) -> None:
    """Has what this process leaves behind ended: its group and a folder.

    That is left to a process that waits for the end of this one, which must lead a session, have
    one thread and run no other programs that inherit its descriptors. It closes `descriptors`.
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
