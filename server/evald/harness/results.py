"""lm-eval's results in the shape of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from evald.harness import library


def title(metric: str, filter_name: str) -> str:
    """What a metric is called, of those that several filters give: `exact_match__strict-match`."""
    return metric if filter_name == "none" else f"{metric}__{filter_name}"


def means_of(task: Any) -> set[str]:
    """The metrics of a task that are means over its rows."""
    mean = library.module("lm_eval.api.metrics").mean
    return {metric for metric, function in task.aggregation().items() if function is mean}


def metrics_of(
    found: Mapping[str, Any],
    scores: Callable[[str, str], Mapping[str, Any]] = lambda metric, name: {},
) -> dict[str, Any]:
    """What lm-eval found for a task or a group, `{"METRIC,FILTER": value}`, as the metrics of a
    result. `scores` gives what else is known of a score."""
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
        metrics[name] = {
            "scores": {name: {**score, **scores(metric, name), "value": score["value"]}}
        }
    return metrics
