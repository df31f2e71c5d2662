"""Whose turn it is: which of the waiting jobs start now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from evald.domain.attempts import Waiting
from evald.domain.devices import Need
from evald.executor.gpus import Gpus, Lease

MAX_PASSES = 16
"""Jobs that may start before one that came earlier and waits for GPUs."""


class Turns:
    """First come, first served, with two exceptions: a job that finds too few GPUs free lets others
    pass, until so many have passed it that the GPUs are kept for it; and a namespace that runs as
    many jobs as it may, `cap`, waits without keeping anybody. 0 is no cap. Nor does anybody wait
    here for a job that only another server has the GPUs for.
    """

    def __init__(self, gpus: Gpus, *, cap: int) -> None:
        self._gpus = gpus
        self._cap = cap
        self._passed: Counter[str] = Counter()

    def take(
        self, waiting: Sequence[Waiting], running: Mapping[str, int], slots: int
    ) -> Iterator[tuple[Waiting, Lease]]:
        """The jobs that start now on `slots` free slots, each with the GPUs that it asks for, which
        are the caller's to release. `running` counts jobs by namespace."""
        ids = {job.job_id for job in waiting}
        self._passed = Counter({k: n for k, n in self._passed.items() if k in ids})
        counts = Counter(running)
        behind: dict[str, Need] = {}
        for job in waiting:
            if slots <= 0:
                return
            if self._cap and counts[job.namespace] >= self._cap:
                continue
            if not job.need.fits(self._gpus.devices):
                continue
            starved = {need for other, need in behind.items() if self._passed[other] >= MAX_PASSES}
            lease = self._gpus.lease(job.need, starved)
            if lease is None:
                behind[job.job_id] = job.need
                continue
            if job.need.gpus:
                self._passed.update(behind.keys())
            counts[job.namespace] += 1
            slots -= 1
            yield job, lease
