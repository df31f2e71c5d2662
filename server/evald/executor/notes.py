"""What a Ray task says of an attempt between the lines of its events."""

from __future__ import annotations

import json
from dataclasses import dataclass

MARK = b"!"
"""How lines begin that are notes. No event begins like that."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The attempt runs in a process of a node."""

    node: str
    pid: int

    def encode(self) -> bytes:
        return _line({"node": self.node, "pid": self.pid})


@dataclass(frozen=True, slots=True)
class Died:
    """The attempt died, as ChildDied says."""

    kind: str
    message: str

    def encode(self) -> bytes:
        return _line({"kind": self.kind, "message": self.message})


def read(line: bytes) -> Placed | Died | None:
    """The note that a line is; None when it is an event."""
    if not line.startswith(MARK):
        return None
    said = json.loads(line.removeprefix(MARK))
    return Died(**said) if "kind" in said else Placed(**said)


def _line(said: dict[str, object]) -> bytes:
    return MARK + json.dumps(said).encode() + b"\n"
