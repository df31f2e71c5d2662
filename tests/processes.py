"""Processes, seen from outside."""

from __future__ import annotations

import psutil


def is_alive(pid: int) -> bool:
    """Whether a process is there, and more than a zombie that nobody waits for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
