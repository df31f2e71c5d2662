"""lm-eval's results in the shape of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from evald.harness import library


def title(metric: str, filter_name: str) -> str:
    """What a metric is called, of those that several filters give: `exact_match__strict-match`."""
    return metric if filter_name == "none" else f"{metric}__{filter_name}"


def means_of(task: Any) -> set[str]:
    """The metrics of a task that are means over its rows."""
    mean = library.module("lm_eval.api.metrics").mean
    return {metric for metric, function in task.aggregation().items() if function is mean}


def ratios_of(task: Any) -> dict[str, Callable[[Sequence[float]], float]]:
    """By title, the metrics of a task that are made of two sums over its rows, such as the
    perplexity of words: what makes the value of these sums."""
    metrics = library.module("lm_eval.api.metrics")
    ratios = (metrics.weighted_perplexity, metrics.bits_per_byte)
    return {
        title(metric, ensemble.name): ratio_of(function)
        for metric, function in task.aggregation().items()
        if function in ratios
        for ensemble in task._filters
    }


def ratio_of(function: Callable[[Any], float]) -> Callable[[Sequence[float]], float]:
    """An aggregation of lm-eval's for pairs, of the pair of their sums; infinity where that is too
    great, or the second sum, such as the number of words, is 0."""

    def value(sums: Sequence[float]) -> float:
        try:
            return function([tuple(sums)])
        except (OverflowError, ZeroDivisionError):
            return inf

    return value


def metrics_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What lm-eval found for a task or a group, `{"METRIC,FILTER": value}`, as the metrics of a
    result."""
    metrics: dict[str, Any] = {}
    for key, value in found.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        name = title(metric, filter_name)
        score: dict[str, Any] = {"value": float(value) if isfinite(value) else None}
        error = found.get(f"{metric}_stderr,{filter_name}")
        if isinstance(error, int | float) and isfinite(error):
            score["stats"] = {"stderr": float(error)}
        metrics[name] = {"scores": {name: score}}
    return metrics
