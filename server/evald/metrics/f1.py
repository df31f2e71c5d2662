"""Token F1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric
from evald.metrics.squad import normalize


class F1(ReferenceMetric):
    """Harmonic mean of token precision and recall after SQuAD's normalisation, 0 to 1; the best of
    the references counts. Two texts without a token score 0, as SQuAD's script has it, though `em`
    finds them equal.

    Source: Rajpurkar et al. 2016, "SQuAD", and its evaluation script v1.1.
    """

    type = "f1"
    range = (0.0, 1.0)

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        return Scored({"f1": max(token_f1(candidate, r) for r in references)})


def token_f1(candidate: str, reference: str) -> float:
    """F1 of the two texts' tokens, 0 to 1."""
    given, wanted = normalize(candidate).split(), normalize(reference).split()
    shared = sum((Counter(given) & Counter(wanted)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)
