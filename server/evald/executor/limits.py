"""What the processes of one job may take of the machine, and what they take."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from evald.processes import PAGE, proportional, resident, tree

SHARE = 0.75
"""Part of the machine's memory that a job may hold unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """For all processes of a job together: bytes of memory, how many there are, and bytes that they
    print."""

    memory: int
    processes: int
    output: int

    @classmethod
    def here(cls, memory: int, processes: int, output: int) -> Limits:
        """For jobs on this machine; a `memory` of 0 is SHARE of what it has."""
        return cls(memory or int(machine_memory() * SHARE), processes, output)

    def exceeded(self, pid: int) -> tuple[str, str] | None:
        """The kind of the limit that a process and its descendants exceed, and a message; None when
        they exceed none, or where there is no /proc to tell."""
        pids = list(islice(tree(pid), self.processes + 1))
        if len(pids) > self.processes:
            return "processes", (
                f"the job started more than {self.processes} processes; raise "
                "EVALD_JOB_PROCESSES if it needs them"
            )
        # What processes share counts once only in the sum that takes long to make.
        if sum(map(resident, pids)) > self.memory < sum(map(proportional, pids)):
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
