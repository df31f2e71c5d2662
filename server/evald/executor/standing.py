"""How far an attempt is, as its events tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evald.domain.attempts import Standing
from evald.executor.events import Progress, Task

ALMOST = 99.9
"""Most that a running job says of its progress: to clients 100 means that the result is there."""


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
