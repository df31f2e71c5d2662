"""What a running attempt says, and how it travels: one JSON line an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import orjson

from evald.domain.attempts import StoredSample


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples were scored. A batch is at most 100 of them, or 100 ms late."""

    kind: ClassVar[str] = "samples"
    batch: Sequence[StoredSample]


@dataclass(frozen=True, slots=True)
class Progress:
    """Samples done in the whole job, kept ones included, and other steps that are done; `total` is
    how many there are of both, if known."""

    kind: ClassVar[str] = "progress"
    processed: int
    total: int | None
    others: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A task changed its state to pending, running, completed or failed."""

    kind: ClassVar[str] = "task"
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the job's log."""

    kind: ClassVar[str] = "log"
    at: float
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The flow finished; `result` is {"tasks", "groups"}. The last event."""

    kind: ClassVar[str] = "done"
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """The flow gave up; `error` is {"kind", "message", "task"?, "sample"?}. The last event."""

    kind: ClassVar[str] = "failed"
    error: Mapping[str, Any]


Event = Samples | Progress | Task | Log | Done | Failed

_KINDS: dict[str, Any] = {c.kind: c for c in (Samples, Progress, Task, Log, Done, Failed)}


def encode(event: Event) -> bytes:
    """The line of an event, its line end included."""
    body = {f.name: getattr(event, f.name) for f in fields(event)}
    return to_json({"kind": event.kind, **body}) + b"\n"


def to_json(value: Any) -> bytes:
    """The JSON of anything: NaN becomes null, and what JSON does not have becomes its text."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_clean(value), default=_plain, option=_OPTIONS)


_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    return str(value)


def _clean(value: Any) -> Any:
    """A copy without lone surrogates and without integers that orjson does not write."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, Mapping):
        return {_clean(k): _clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(v) for v in value]
    return value


def decode(line: bytes) -> Event:
    """The event of a line. Raises ValueError when the line is not one."""
    try:
        body = orjson.loads(line)
        kind = _KINDS[body.pop("kind")]
        if kind is Samples:
            body["batch"] = [StoredSample(**sample) for sample in body["batch"]]
        event: Event = kind(**body)
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise ValueError(f"not an event: {line[:200]!r}") from e
    return event
