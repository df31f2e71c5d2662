"""Exact match."""

from __future__ import annotations

from collections.abc import Sequence

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric
from evald.metrics.squad import normalize


class ExactMatch(ReferenceMetric):
    """1.0 when the candidate equals a reference after SQuAD's normalisation, else 0.0.

    Source: Rajpurkar et al. 2016, "SQuAD", and its evaluation script v1.1.
    """

    type = "em"
    range = (0.0, 1.0)

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        answer = normalize(candidate)
        return Scored({"em": float(any(answer == normalize(r) for r in references))})
