"""ROUGE."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric
from evald.metrics.subsequence import common_length

NGRAMS = {"rouge1": "rouge_1_score", "rouge2": "rouge_2_score", "rouge3": "rouge_3_score"}


class Words:
    """Splits what is tokenized already, so that each text is stemmed once."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


class Rouge(ReferenceMetric):
    """F-measures of ROUGE-1, -2, -3 and -L, 0 to 1, by rouge-score with its Porter stemmer; the
    best of the references counts for each.

    The longest common subsequence is our own: rouge-score fills a table of both lengths in Python,
    which takes seconds and hundreds of megabytes for an answer of 5,000 words.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """

    type = "rouge"
    range = (0.0, 1.0)

    @cached_property
    def _tokenizer(self) -> Any:
        from rouge_score.tokenizers import DefaultTokenizer

        return DefaultTokenizer(use_stemmer=True)

    @cached_property
    def _scorer(self) -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(list(NGRAMS), tokenizer=Words())

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        words = self._tokenizer.tokenize(candidate)
        found = [self._scores(words, self._tokenizer.tokenize(r)) for r in references]
        return Scored({name: max(scores[name] for scores in found) for name in found[0]})

    def _scores(self, candidate: list[str], reference: list[str]) -> dict[str, float]:
        from rouge_score.scoring import fmeasure

        found = self._scorer.score(" ".join(reference), " ".join(candidate))
        scores = {name: float(found[kind].fmeasure) for kind, name in NGRAMS.items()}
        common = common_length(reference, candidate)
        scores["rouge_L_score"] = (
            float(fmeasure(common / len(candidate), common / len(reference))) if common else 0.0
        )
        return scores
