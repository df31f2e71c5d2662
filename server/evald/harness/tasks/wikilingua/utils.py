"""Scores of WikiLingua, as nvidia-lm-eval 26.3 has them."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from rouge_score import rouge_scorer

NAMES = ("rouge1", "rouge2", "rougeL")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """F-measures, from 0 to 1, of a summary against the row's `target`. rouge-score knows letters
    from a to z and digits alone: languages of other scripts have 0."""
    scorer = rouge_scorer.RougeScorer(list(NAMES))
    scores = scorer.score(normalized(doc["target"]), normalized(results[0]))
    return {name: float(scores[name].fmeasure) for name in NAMES}


def normalized(text: str) -> str:
    """In small letters, without punctuation and articles."""
    plain = text.strip().lower().translate(PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())
