"""Comparing the scores of two jobs, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from evald.domain.attempts import StoredSample
from evald.domain.documents import Document
from evald.errors import Conflict
from evald.statistics import CLUSTER, Pairs, cluster_of

Samples = Iterator[StoredSample]

ANSWERED = frozenset({"rows", "dataset", "cached_outputs"})
"""Target types whose rows hold the answers."""


class SampleReader(Protocol):
    """Where samples are read."""

    def tasks(self, job_id: str) -> list[str]:
        """The tasks that have samples."""

    def read(self, job_id: str, task: str | None = None) -> Iterator[StoredSample]:
        """The samples of a job, those of a task by row number."""


def compare(samples: SampleReader, baseline: Document, candidate: Document) -> list[Document]:
    """How each score differs that two jobs have in common, by task, metric and score.

    Two samples are a pair when they have the same row number in the same task, and are of equal
    rows; other samples count nowhere. Rows that hold the answers themselves differ from job to job,
    so where either target consists of such rows, the number alone counts.

    Reads both jobs as streams, side by side. Raises Conflict when the jobs asked about different
    rows altogether.
    """
    asked = not ANSWERED & {baseline["target"]["type"], candidate["target"]["type"]}
    both = [job["id"] for job in (baseline, candidate)]
    compared = []
    numbered = equal = 0
    for task in sorted(set(samples.tasks(both[0])) & set(samples.tasks(both[1]))):
        scores: dict[tuple[str, str], Pairs] = {}
        for one, other in side_by_side(*(samples.read(job_id, task) for job_id in both)):
            numbered += 1
            if asked and not same_row(one.item, other.item):
                continue
            equal += 1
            cluster = next(filter(None, map(cluster_in, (one, other))), None)
            for key, values in common(one.scores, other.scores):
                scores.setdefault(key, Pairs()).add(*values, cluster)
        compared += [
            {"task": task, "metric": metric, "score": score, **pairs.document()}
            for (metric, score), pairs in sorted(scores.items())
        ]
    if numbered and not equal:
        raise Conflict(
            "the jobs asked about different rows: of those with the same number none are equal; "
            "compare jobs on the same data set"
        )
    return compared


def side_by_side(left: Samples, right: Samples) -> Iterator[tuple[StoredSample, StoredSample]]:
    """The samples of two streams, each by row number, that have the same one."""
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        if one.index == other.index:
            yield one, other
        ahead = one.index - other.index
        if ahead <= 0:
            one = next(left, None)
        if ahead >= 0:
            other = next(right, None)


def same_row(one: str, other: str) -> bool:
    """Whether two JSON texts mean the same."""
    return one == other or bool(orjson.loads(one) == orjson.loads(other))


def cluster_in(sample: StoredSample) -> float | None:
    """The cluster that is kept with a sample; most have none, and need not be read."""
    parts = sample.parts
    return cluster_of(orjson.loads(parts)) if parts is not None and CLUSTER in parts else None


def common(one: str, other: str) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Metric and score, and its two values, for each that both samples have."""
    theirs: dict[str, dict[str, Any]] = orjson.loads(other)
    for metric, scores in orjson.loads(one).items():
        for score, value in scores.items():
            counterpart = theirs.get(metric, {}).get(score)
            if value is not None and counterpart is not None:
                yield (metric, score), (value, counterpart)
