"""Accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric


class Accuracy(ReferenceMetric):
    """1.0 when the candidate equals a reference, white space around them aside, else 0.0.

    Unlike `em` it sees case, punctuation and articles.
    """

    type = "accuracy"
    range = (0.0, 1.0)

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        answer = candidate.strip()
        return Scored({"accuracy": float(any(answer == r.strip() for r in references))})
