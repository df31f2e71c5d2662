"""Processes, seen from outside."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import psutil


def pid_of(program: subprocess.Popen[str]) -> int:
    """The process id that a program prints as its next line."""
    assert program.stdout is not None
    return int(program.stdout.readline())


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
