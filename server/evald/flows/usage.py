"""What a task took of its model: requests, tokens and time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ACCURACY = 0.01
"""Relative error of a quantile, at most."""

BASE = (1 + ACCURACY) / (1 - ACCURACY)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

TOKENS = ("prompt_tokens", "completion_tokens")


class Usage:
    """Adds up what samples took. Latencies are counted in buckets that grow by a constant factor,
    so that quantiles are right to 1 % in constant memory (DDSketch; Masson et al., 2019)."""

    def __init__(self) -> None:
        self._samples = 0
        self._retries = 0.0
        self._tokens = [0.0, 0.0]
        self._seconds = 0.0
        self._slowest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, numbers: Sequence[float]) -> None:
        """Adds what `numbers_of` says of a sample."""
        seconds, retries, *tokens = numbers
        self._samples += 1
        self._retries += retries
        self._tokens = [a + b for a, b in zip(self._tokens, tokens, strict=True)]
        self._seconds += seconds
        self._slowest = max(self._slowest, seconds)
        self._buckets[math.ceil(math.log(max(seconds, 1e-6), BASE))] += 1

    def document(self) -> dict[str, Any] | None:
        """`{"samples", "retries", "prompt_tokens", "completion_tokens", "total_tokens", "latency":
        {"mean", "p50", "p90", "p99", "max"}}`, latencies in seconds; None when no model was asked.
        """
        if not self._samples:
            return None
        tokens = {name: int(count) for name, count in zip(TOKENS, self._tokens, strict=True)}
        return {
            "samples": self._samples,
            "retries": int(self._retries),
            **tokens,
            "total_tokens": sum(tokens.values()),
            "latency": {
                "mean": self._seconds / self._samples,
                **{name: self._quantile(share) for name, share in QUANTILES.items()},
                "max": self._slowest,
            },
        }

    def _quantile(self, share: float) -> float:
        """The least latency that a share of all is not above."""
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= share * self._samples:
                break
        return min(2 * BASE**bucket / (BASE + 1), self._slowest)


def numbers_of(sample: Mapping[str, Any]) -> list[float] | None:
    """Seconds, retries and tokens of an answer; None when no model was asked for it. An answer made
    of several replies has the `usage` of each, in a list; else that of its `response` counts."""
    if "seconds" not in sample:
        return None
    replies = sample.get("usage")
    if replies is None:
        response = sample.get("response")
        replies = [response.get("usage")] if isinstance(response, Mapping) else []
    return [sample["seconds"], sample.get("retries", 0), *tokens_of(replies)]


def tokens_of(replies: Iterable[Any]) -> list[float]:
    """The TOKENS of replies together, given the usage of each."""
    usages = list(replies)
    return [math.fsum(count(usage, name) for usage in usages) for name in TOKENS]


def count(usage: Any, name: str) -> float:
    """A count of a reply's usage; 0 where the endpoint does not tell."""
    given = usage.get(name) if isinstance(usage, Mapping) else None
    return float(given) if isinstance(given, int | float) else 0.0
