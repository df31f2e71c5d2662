"""What a backend is: it turns a job spec into a stream of events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evald.executor.events import Event
from evald.settings import ClientSettings


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that one attempt needs. Its secrets are readable: never log a spec."""

    job_id: str
    attempt: int
    config: Mapping[str, Any] = field(repr=False)
    target: Mapping[str, Any] = field(repr=False)
    clients: ClientSettings
    seconds: float | None = None
    """How long the attempt may take from now on; None for as long as it wants."""
    devices: tuple[str, ...] = ()
    """Values for CUDA_VISIBLE_DEVICES; none means that the child sees no GPU."""
    kept: Path | None = None
    """A JSON-lines file of the samples that earlier attempts have scored:
    `{"task", "index", "scores", "parts", "error", "sample"}` each."""
    folder: Path | None = None
    """Files that the job keeps for its next attempt go here; deleted when the job has ended."""

    def encode(self) -> bytes:
        """The spec as one line. It holds secrets."""
        body = {
            "job_id": self.job_id,
            "attempt": self.attempt,
            "config": self.config,
            "target": self.target,
            "clients": self.clients.model_dump(mode="json"),
            "seconds": self.seconds,
            "devices": self.devices,
            "kept": str(self.kept) if self.kept is not None else None,
            "folder": str(self.folder) if self.folder is not None else None,
        }
        # Not orjson, which knows neither integers of more than 64 bits nor lone surrogates.
        return json.dumps(body, default=dict).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> JobSpec:
        """The spec of a line."""
        body = json.loads(line)
        return cls(
            job_id=body["job_id"],
            attempt=body["attempt"],
            config=body["config"],
            target=body["target"],
            clients=ClientSettings(**body["clients"]),
            seconds=body["seconds"],
            devices=tuple(body["devices"]),
            kept=Path(body["kept"]) if body["kept"] is not None else None,
            folder=Path(body["folder"]) if body["folder"] is not None else None,
        )


class ChildDied(Exception):
    """The child ended before its attempt did. `kind` and the text say how, such as `crash`,
    "the child was ended by SIGSEGV"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Run(Protocol):
    """One attempt under way."""

    def events(self) -> Iterator[Event]:
        """Its events; Done or Failed comes last. Raises ChildDied when it ended without."""

    def stop(self, grace: float) -> None:
        """Ends the attempt's whole process group: told to end first, killed `grace` seconds later.

        Returns at once; may be called from any thread, more than once, and after the end. `events`
        then raises ChildDied.
        """


class Backend(Protocol):
    """Starts attempts. A backend is closed once, after its last run has ended."""

    def start(self, spec: JobSpec) -> Run: ...

    def close(self) -> None:
        """Ends every child, idle ones too. No process is left when it returns,
        but for one that the system does not let go of."""
