"""Several answers to one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def merged(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers as if one request had asked for them: the first one's `output_text`, and of all
    `response`, `seconds` and `retries`."""
    return {
        "output_text": answers[0]["output_text"],
        "response": joined([answer["response"] for answer in answers]),
        "seconds": max(answer["seconds"] for answer in answers),
        "retries": sum(answer["retries"] for answer in answers),
    }


def joined(responses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Responses as one with all of their choices, and their tokens added up."""
    if len(responses) == 1:
        return dict(responses[0])
    choices = [choice for response in responses for choice in response.get("choices") or []]
    usage: Counter[str] = Counter()
    for response in responses:
        counts = response.get("usage") or {}
        usage.update({k: n for k, n in counts.items() if isinstance(n, int)})
    numbered = [{**choice, "index": i} for i, choice in enumerate(choices)]
    return {**responses[0], "choices": numbered, "usage": dict(usage)}
