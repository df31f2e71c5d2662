"""ROUGE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric

KINDS = {
    "rouge1": "rouge_1_score",
    "rouge2": "rouge_2_score",
    "rouge3": "rouge_3_score",
    "rougeL": "rouge_L_score",
}


class Rouge(ReferenceMetric):
    """F-measures of ROUGE-1, -2, -3 and -L, 0 to 1, by rouge-score with its Porter stemmer; the
    best of the references counts for each.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """

    type = "rouge"

    @cached_property
    def _scorer(self) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(list(KINDS), use_stemmer=True)

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        found = self._scorer.score_multi(list(references), candidate)
        return Scored({name: float(found[kind].fmeasure) for kind, name in KINDS.items()})
