"""How near the meanings of texts are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from evald.errors import EvaluationError


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors. Raises EvaluationError of kind `metric` when
    there is none."""
    lengths = math.hypot(*one) * math.hypot(*other)
    if len(one) != len(other) or not lengths or not math.isfinite(lengths):
        raise EvaluationError(
            "metric", "the embeddings cannot be compared: of unlike sizes, zero or infinite"
        )
    return math.fsum(map(mul, one, other)) / lengths
