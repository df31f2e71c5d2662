"""How far an attempt is, as its events tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evald.domain.attempts import Standing
from evald.domain.states import JobStatus
from evald.executor.events import Progress, Task

ALMOST = 99.9
"""Most that a running job says of its progress: to clients 100 means that the result is there."""

LEFT = {JobStatus.FAILED: ("pending", "running"), JobStatus.CANCELLED: ("running",)}
"""States of tasks that have failed when the job ends so: of a failed job those that had not ended,
of a cancelled one those that ran."""


def at_start(config: Mapping[str, Any]) -> Standing:
    """Before the first event."""
    return Standing(task_status=dict.fromkeys(config.get("tasks") or {}, "pending"))


def after(standing: Standing, event: Progress | Task) -> Standing:
    """How far it is after an event."""
    match event:
        case Progress(processed=processed, total=total, others=others):
            done = (processed + others) / total * 100 if total else None
            return replace(standing, processed=processed, progress=done and min(done, ALMOST))
        case Task(name=name, status=status):
            return replace(standing, task_status={**standing.task_status, name: status})


def at_end(standing: Standing, status: JobStatus) -> dict[str, str]:
    """The state of each task once the job has ended."""
    left = LEFT.get(status, ())
    return {t: "failed" if s in left else s for t, s in standing.task_status.items()}
