"""The scores of one task, kept while samples come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from evald import registry
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.params import Findings, parse
from evald.metrics.metric import Metric
from evald.statistics import Statistics
from evald.templates import Templates

Scores = dict[str, dict[str, float | None]]
Parts = dict[str, list[float]]


class Scoreboard:
    """Scores samples by every metric of a task, and adds them up in constant memory."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self._metrics = metrics
        self._statistics: dict[str, dict[str, Statistics]] = {name: {} for name in metrics}
        self._parts: Parts = {}
        self._samples = 0
        self._errors: Counter[str] = Counter()
        self._first_errors: dict[str, str] = {}

    @property
    def samples(self) -> int:
        """Samples added so far, failed ones included."""
        return self._samples

    @property
    def failed(self) -> int:
        return self._errors.total()

    def score(self, context: Mapping[str, Any]) -> tuple[Scores, Parts]:
        """Scores a sample; `add` counts it. Raises EvaluationError of kind template or metric."""
        scores: Scores = {}
        parts: Parts = {}
        for name, metric in self._metrics.items():
            try:
                scored = metric.score(context)
            except EvaluationError:
                raise
            except Exception as e:
                raise EvaluationError("metric", f"{name}: {type(e).__name__}: {e}") from e
            scores[name] = dict(scored.values)
            if scored.parts:
                parts[name] = list(scored.parts)
        return scores, parts

    def add(
        self,
        scores: Mapping[str, Mapping[str, float | None]],
        parts: Mapping[str, Sequence[float]],
    ) -> None:
        """Counts a scored sample."""
        self._samples += 1
        for name, values in scores.items():
            statistics = self._statistics.setdefault(name, {})
            for score, value in values.items():
                kept = statistics.get(score)
                if kept is None:
                    kept = statistics[score] = Statistics()
                if value is not None:
                    kept.add(value)
        for name, numbers in parts.items():
            kept_parts = self._parts.get(name)
            self._parts[name] = (
                [a + b for a, b in zip(kept_parts, numbers, strict=True)]
                if kept_parts
                else list(numbers)
            )

    def add_error(self, kind: str, message: str) -> None:
        """Counts a sample that could not be evaluated."""
        self._samples += 1
        self._errors[kind] += 1
        self._first_errors.setdefault(kind, message)

    def result(self, task: str) -> dict[str, Any]:
        """The task's result. Raises EvaluationError when there is no sample, or not one that could
        be evaluated."""
        if not self._samples:
            raise EvaluationError("dataset", "the data set has no rows", task=task)
        if self.failed == self._samples:
            self.give_up(task)
        metrics = {name: {"scores": self._scores(name)} for name in self._metrics}
        return {"metrics": metrics} | (
            {"data": {"errors": dict(self._errors)}} if self._errors else {}
        )

    def give_up(self, task: str) -> None:
        """Raises the most common error of the task's samples."""
        kind, count = self._errors.most_common(1)[0]
        said = f"{self._first_errors[kind]} ({count} of {self._samples} samples failed so)"
        raise EvaluationError(kind, said, task=task)

    def _scores(self, name: str) -> dict[str, Any]:
        scores: dict[str, Any] = {}
        for score, kept in self._statistics[name].items():
            stats = kept.document(missing=self._samples - kept.count)
            scores[score] = {"value": kept.mean if kept.count else None, "stats": stats}
        if name in self._parts:
            for score, value in self._metrics[name].combine(self._parts[name]).items():
                scores[score] = {"value": value}
        return scores


def make_metrics(
    configs: Mapping[str, Mapping[str, Any]],
    templates: Templates,
    field: str,
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Metric]:
    """The metrics of a task by name. Raises InvalidArgument with paths below `field`."""
    findings = Findings()
    made: dict[str, Metric] = {}
    for name, config in configs.items():
        path = f"{field}.{name}"
        kind = config.get("type") or ""
        if kind not in registry.metrics():
            findings.add(f"{path}.type", registry.metrics().unknown(kind))
            continue
        with findings.gather():
            made[name] = make_metric(kind, config.get("params"), templates, path, defaults)
    findings.raise_any()
    return made


def make_metric(
    kind: str,
    params: Mapping[str, Any] | None,
    templates: Templates,
    path: str,
    defaults: Mapping[str, Any] | None = None,
) -> Metric:
    """One metric. Raises InvalidArgument with paths below `path`."""
    metric = registry.metrics()[kind]
    parsed: BaseModel = parse(
        metric.Params, {**(defaults or {}), **(params or {})}, f"{path}.params"
    )
    try:
        return metric(parsed, templates)  # type: ignore[arg-type]
    except InvalidArgument as e:
        raise e.under(f"{path}.params") from None
