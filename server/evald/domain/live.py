"""Live evaluations: the caller waits for the result, and nothing of them is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

from evald.domain import ids
from evald.domain.documents import Document, Maker
from evald.domain.jobs import Jobs
from evald.domain.states import JobStatus
from evald.errors import InvalidArgument

TARGETS = ("rows", "dataset")
"""Target types whose evaluation waits for no model."""

INSTEAD = "create a job instead (CreateJob, POST /v1/evaluation/jobs)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a live evaluation ended: `details` are its status_details, `result` is
    {"tasks", "groups"}, `logs` the log lines by task."""

    status: JobStatus
    details: Document
    result: Mapping[str, Any]
    logs: Mapping[str, str]


class Evaluator(Protocol):
    """What runs live evaluations."""

    def evaluate(self, job: Document, *, seconds: float, over: Event) -> Outcome:
        """Runs a job that is stored nowhere. It is ended after `seconds`, or when somebody sets
        `over`. Raises DeadlineExceeded or Unavailable."""


class LiveEvaluations:
    """Evaluates at once, for at most `seconds`."""

    def __init__(self, jobs: Jobs, evaluator: Evaluator, maker: Maker, *, seconds: float) -> None:
        self._jobs = jobs
        self._evaluator = evaluator
        self._maker = maker
        self._seconds = seconds

    def evaluate(
        self, document: Document, *, over: Event, seconds: float | None = None
    ) -> Document:
        """The status, result and logs of an evaluation, asked for as a job is. It ends when `over`
        is set, as nobody waits for it any more, or after the caller's `seconds`.

        One that fails (no sample can be evaluated, the data set is missing) is an answer, not an
        error: the request was right, the status and its details say what came of it, as they do of
        a job, and the log comes along. Clients, which try again when a server errs, do not.

        Raises what creating a job raises, InvalidArgument for a target of another type or a config
        that asks for GPUs, DeadlineExceeded, or Unavailable.
        """
        job = self._jobs.checked(document)
        check(job)
        began = self._maker.moment()
        limits = (self._seconds, seconds, job["max_runtime"])
        outcome = self._evaluator.evaluate(
            job, seconds=min(limit for limit in limits if limit is not None), over=over
        )
        result = {
            "id": self._maker.new_id(ids.RESULT),
            "job": job["id"],
            "namespace": job["namespace"],
            "created_at": began,
            "updated_at": self._maker.moment(),
            "custom_fields": {},
            **outcome.result,
        }
        return {
            "status": outcome.status,
            "status_details": outcome.details,
            "result": result,
            "logs": outcome.logs,
        }


def check(job: Mapping[str, Any]) -> None:
    """Raises InvalidArgument when a job cannot be evaluated live."""
    kind = job["target"]["type"]
    if kind not in TARGETS:
        raise InvalidArgument.of(
            "target.type",
            f"live evaluations take targets of type {' or '.join(TARGETS)}, not {kind}; {INSTEAD}",
        )
    # Models that the config has evald run would get GPUs in a job; here the CPU runs them.
    if asked := (job["config"].get("params") or {}).get("gpus"):
        raise InvalidArgument.of(
            "config.params.gpus", f"live evaluations get no GPU, not {asked}; {INSTEAD}"
        )
