"""Processes, seen from outside."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil


def is_alive(pid: int) -> bool:
    """Whether a process is there, and more than a zombie that nobody waits for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def group(leader: int) -> dict[int, str]:
    """The processes of a group that have not ended, and their commands."""
    found = {}
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess, psutil.ZombieProcess):
            if os.getpgid(process.pid) == leader and is_alive(process.pid):
                found[process.pid] = " ".join(process.cmdline())
    return found
