"""BLEU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from evald.metrics.metric import Scored
from evald.metrics.reference import ReferenceMetric

NGRAMS = 4


class Bleu(ReferenceMetric):
    """BLEU of each sample and of the whole data set, 0 to 100, by sacrebleu.

    `sentence` is sacrebleu's sentence BLEU (effective order, exponential smoothing) against all
    references; `corpus` is its corpus BLEU against the first reference of each sample. Empty
    candidates score 0.

    Source: Papineni et al. 2002; Post 2018, "A Call for Clarity in Reporting BLEU Scores".
    """

    type = "bleu"
    range = (0.0, 100.0)

    @cached_property
    def _sentence(self) -> Any:
        from sacrebleu.metrics.bleu import BLEU

        return BLEU(effective_order=True)

    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        all_references = self._sentence.sentence_score(candidate, list(references))
        first = (
            all_references
            if len(references) == 1
            else self._sentence.sentence_score(candidate, [references[0]])
        )
        forget_texts()
        parts = [*first.counts, *first.totals, first.sys_len, first.ref_len]
        return Scored({"sentence": float(all_references.score)}, parts)

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        counts = [round(part) for part in parts]
        corpus = self._sentence.compute_bleu(
            correct=counts[:NGRAMS],
            total=counts[NGRAMS : 2 * NGRAMS],
            sys_len=counts[-2],
            ref_len=counts[-1],
            smooth_method="exp",
        )
        return {"corpus": float(corpus.score)}


def forget_texts() -> None:
    """Empties the caches of sacrebleu's tokenizers, which hold the last 65,536 texts each: memory
    would grow with the rows."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    Tokenizer13a.__call__.cache_clear()
    TokenizerRegexp.__call__.cache_clear()
