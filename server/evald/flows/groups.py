"""Scores of all tasks in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def evaluation(results: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of all tasks where older clients look for them, by the name of their metric, or of
    a metric that has several by their own. Of several tasks each has its name before its scores."""
    scores = {}
    for task, result in results.items():
        for name, metric in result["metrics"].items():
            short = name.partition(".")[2]
            several = len(metric["scores"]) > 1
            for own, score in metric["scores"].items():
                called = own if several else short
                scores[called if len(results) == 1 else f"{task}.{called}"] = score
    return {"metrics": {"evaluation": {"scores": scores}}}
