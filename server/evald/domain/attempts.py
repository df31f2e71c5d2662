"""Attempts: runs of jobs, and what the executor needs of the store to make them.

Every write of an attempt names its `Fence`. A write whose fence no longer holds the job raises
LeaseLost and changes nothing, so an attempt that was overtaken can do no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evald.domain.devices import Need
from evald.domain.states import JobStatus


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue."""

    job_id: str
    status: str
    need: Need
    namespace: str


@dataclass(frozen=True, slots=True)
class Fence:
    """Names one attempt of one job by one worker."""

    job_id: str
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker that has claimed a job needs to know of it. `max_runtime` is the seconds that
    this run may take: time of earlier runs, which another server may have ended, does not count.
    `is_last` says that no other run follows if this one breaks."""

    fence: Fence
    target: Mapping[str, Any] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    max_runtime: float | None
    is_last: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an attempt is. `progress` is in percent, None while it cannot be told."""

    processed: int = 0
    progress: float | None = None
    task_status: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class StoredSample:
    """A sample as it travels and is kept: what nothing on the way reads are JSON texts.

    `scores` is metric -> score -> value, `parts` metric -> numbers, `error` {"kind", "message"}.
    """

    task: str
    index: int
    item: str
    sample: str | None
    scores: str
    parts: str | None
    error: str | None


class JobQueue(Protocol):
    """The jobs that wait or run."""

    def waiting(self) -> list[Waiting]:
        """Jobs that may start now: those of a higher priority first, then the oldest. Of a long
        queue the first of each namespace and need, so that no kind of job hides another."""

    def running(self) -> dict[str, int]:
        """How many jobs of each namespace run, on any worker."""

    def hold(self, job_ids: Sequence[str]) -> None:
        """Shows created jobs that no slot or GPU is free for as pending."""

    def claim(
        self,
        job_id: str,
        worker: str,
        *,
        devices: Sequence[str],
        lease_seconds: float,
        files_url: str,
    ) -> Claim | None:
        """Takes a waiting job, or answers None when somebody else was faster. Raises Uncertain
        when nobody knows whether it did."""

    def disown(self, worker: str, job_ids: Collection[str]) -> None:
        """Gives back those of some jobs that a worker holds: it may have claimed them, and no
        attempt of its has them."""

    def renew(self, fences: Sequence[Fence], *, lease_seconds: float) -> set[str]:
        """Renews the leases of attempts; answers the jobs that are still held.

        A lease whose attempt is not named runs out, so that its job is rescued.
        """

    def cancelling(self, worker: str) -> list[str]:
        """Jobs that a worker holds and whose end was asked for."""

    def finish(
        self,
        fence: Fence,
        status: JobStatus,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        launched: bool = True,
    ) -> JobStatus:
        """Ends the job; answers the state that it ended in. Raises LeaseLost."""

    def release(self, fence: Fence, *, counted: bool, error: Mapping[str, Any]) -> JobStatus:
        """Gives a job back to the queue after an attempt that did not end it. Raises LeaseLost."""

    def over(self, job_ids: Iterable[str]) -> set[str]:
        """Those of some jobs that have ended, or are not there."""

    def has_expired(self) -> bool:
        """Whether the lease of a job has run out."""

    def rescue(self, *, worker: str | None = None) -> list[str]:
        """Takes jobs from workers that died. Answers their ids."""


class SampleLog(Protocol):
    """The samples of jobs, as attempts write and read them."""

    def record(self, fence: Fence, batch: Sequence[StoredSample], standing: Standing) -> None:
        """Stores samples and how far the attempt is, at once. Raises LeaseLost."""

    def count(self, job_id: str) -> int: ...

    def read(self, job_id: str, task: str | None = None) -> Iterator[StoredSample]:
        """The samples of a job by task and row number."""
