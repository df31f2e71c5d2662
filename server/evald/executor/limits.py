"""What the processes of one job may take of the machine, and what they take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")

SHARE = 0.75
"""Part of the machine's memory that a job may hold unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For all processes of a job together: bytes of memory, how many there are, and bytes that they
    print."""

    memory: int
    processes: int
    output: int

    def exceeded(self, pid: int) -> tuple[str, str] | None:
        """The kind and the words for what a process and its offspring have too much of.

        Where there is no /proc nothing can be told, and nothing is said.
        """
        pids = list(_tree(pid))
        if len(pids) > self.processes:
            return "processes", (
                f"the job started more than {self.processes} processes (EVALD_JOB_PROCESSES)"
            )
        # What processes share counts once only in the sum that takes long to make.
        if sum(map(resident, pids)) > self.memory < sum(map(_proportional, pids)):
            return "memory", (
                f"the job held more than {self.memory // 2**20} MiB of memory; give it less to do "
                "at once, such as a smaller parallelism or shorter rows, or raise EVALD_JOB_MEMORY"
            )
        return None


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that this is."""
    found = [os.sysconf("SC_PHYS_PAGES") * PAGE]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    return min(found)


def _tree(pid: int) -> Iterator[int]:
    """A process and all that descends from it: orphans become the first one's children."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _tree(int(child))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where that cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """Bytes that a process holds, what it shares with others divided among them."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return resident(pid)
