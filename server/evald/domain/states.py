"""The life of a job: its states, the legal steps between them, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from evald.errors import Conflict


class JobStatus(StrEnum):
    """Where a job is in its life. The values are what the database and REST hold."""

    CREATED = "created"  # stored by create
    PENDING = "pending"  # put back by a scheduler that has no slot or GPU for it, or by a rescue
    RUNNING = "running"  # claimed by an attempt
    CANCELLING = "cancelling"  # cancel was asked for while an attempt held it
    CANCELLED = "cancelled"  # ended on request
    FAILED = "failed"  # ended by its attempt, or by a rescue after the last one allowed
    COMPLETED = "completed"  # ended by its attempt with a result


WAITING = (JobStatus.CREATED, JobStatus.PENDING)
HELD = (JobStatus.RUNNING, JobStatus.CANCELLING)
FINAL = (JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.COMPLETED)

STEPS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.CREATED: frozenset(
        {JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}
    ),
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.PENDING, JobStatus.CANCELLING, JobStatus.COMPLETED, JobStatus.FAILED}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED}),
    JobStatus.CANCELLED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.COMPLETED: frozenset(),
}

LAUNCH_FAILED = "Job failed to launch"

MESSAGES: dict[JobStatus, str | None] = {
    JobStatus.CREATED: None,
    JobStatus.PENDING: "Job is pending",
    JobStatus.RUNNING: "Job is running",
    JobStatus.CANCELLING: "Job is being cancelled",
    JobStatus.CANCELLED: "Job was cancelled",
    JobStatus.FAILED: "Job failed",
    JobStatus.COMPLETED: "Job completed successfully",
}


def step(before: JobStatus, after: JobStatus) -> JobStatus:
    """Answers `after`, or raises Conflict when a job cannot go there from `before`."""
    if after not in STEPS[before]:
        raise Conflict(f"a job that is {before} cannot become {after}")
    return after


LEFT: dict[JobStatus, dict[str, str]] = {
    JobStatus.PENDING: {"running": "pending"},
    JobStatus.CANCELLED: {"running": "failed"},
    JobStatus.FAILED: {"running": "failed", "pending": "failed"},
}
"""What becomes of tasks that have not ended when the attempt has: of a cancelled job those that had
not begun say so."""


def leave_tasks(tasks: Mapping[str, str], status: JobStatus) -> dict[str, str]:
    """The state of each task when its job has come to `status`."""
    left = LEFT.get(status, {})
    return {task: left.get(state, state) for task, state in tasks.items()}
