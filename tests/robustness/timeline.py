"""When what happened, by the events of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tests.robustness.checker import History


@dataclass(frozen=True)
class Rescue:
    """An attempt whose job was taken from its worker."""

    job_id: str
    attempt: int
    worker: str
    at: datetime


def rescues(history: History) -> list[Rescue]:
    """Those of all jobs, the first one first."""
    found = [
        Rescue(job_id, before["attempt"], before["worker"], moment(after["at"]))
        for job_id, events in history.events.items()
        for before, after in pairwise(events)
        if before["status"] == "running" and after["status"] == "pending"
    ]
    return sorted(found, key=lambda rescue: rescue.at)


def entered(events: Sequence[Mapping[str, Any]], status: str) -> list[datetime]:
    """When a job came into a state."""
    return [moment(event["at"]) for event in events if event["status"] == status]


def waits(
    rescued: Sequence[Rescue], deaths: Sequence[tuple[datetime, datetime]]
) -> Iterator[float]:
    """Seconds that each rescued job waited for its rescue since it could be: deaths are from the
    kill to the moment when it could, and in order."""
    for (killed, since), until in zip(
        deaths, [*(death[0] for death in deaths[1:]), datetime.max.replace(tzinfo=UTC)], strict=True
    ):
        for rescue in rescued:
            if killed < rescue.at < until:
                yield max(0.0, (rescue.at - since).total_seconds())


def moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
