"""A program, what it may take, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may take. `cpu` is seconds of each process, `wall` seconds in all; `memory`
    bytes of all its processes together; `disk` bytes in /tmp. Where `reserves` is set, processes
    may reserve more addresses than they have memory for."""

    cpu: int = 3
    wall: float = 10.0
    memory: int = 1024 * MIB
    disk: int = 64 * MIB
    processes: int = 32
    files: int = 256
    reserves: bool = False

    def resources(self) -> dict[str, tuple[int, int]]:
        """As resource limits of each process, soft and hard."""
        most = {
            "RLIMIT_DATA": self.memory,
            "RLIMIT_FSIZE": self.disk,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_NOFILE": self.files,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_CORE": 0,
        } | ({} if self.reserves else {"RLIMIT_AS": self.memory})
        # At the soft limit a signal says why a program ends, at the hard one it ends.
        return {name: (value, value) for name, value in most.items()} | {
            "RLIMIT_CPU": (self.cpu, self.cpu + 1)
        }


@dataclass(frozen=True, slots=True)
class Program:
    """Python source, or files by name and the commands that are run on them in their folder."""

    source: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[Sequence[str]] = ()
    places: Sequence[str] = ()
    """Folders and files of the machine that it sees besides the usual ones."""
    alarms: Sequence[str] = ()
    """Words that it prints only when it has failed, whatever its exit status."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: `verdict` is passed, failed, timeout or memory; `output` the end of what
    it printed."""

    verdict: str
    output: str

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"
