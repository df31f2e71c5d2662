"""The scores of one task, kept while samples come in."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from inspect import isawaitable
from typing import Any

from evald import registry
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.bootstrap import Bootstrap
from evald.flows.findings import Findings
from evald.flows.params import parse
from evald.flows.usage import Usage
from evald.metrics.metric import Metric
from evald.model import Models, Row
from evald.statistics import Statistics, cluster_of
from evald.suggest import unknown
from evald.templates import Templates

Scores = dict[str, dict[str, float | None]]
Parts = dict[str, list[float]]

USAGE = " usage"
"""Under what the `parts` of a sample have what it took of the model; it is no metric's name."""

MESSAGES = 100
"""Different messages of one kind of error that are told apart."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the metrics of a task say of one sample. `error` is `{"kind", "message"}` of the first
    problem of a metric; all values that could be made are there all the same."""

    scores: Scores = field(default_factory=dict)
    parts: Parts = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None


class Scoreboard:
    """Scores samples by every metric of a task, and adds them up in memory that grows with clusters
    alone. What the samples took is added to `usage`, if one is given."""

    def __init__(self, metrics: Mapping[str, Metric], usage: Usage | None = None) -> None:
        self._metrics = metrics
        self._statistics: dict[str, dict[str, Statistics]] = {name: {} for name in metrics}
        self._parts: Parts = {}
        self._samples = 0
        self._unscored = 0
        self._usage = Usage() if usage is None else usage
        self._bootstraps: dict[str, Bootstrap] = {}
        self._errors: dict[str, Counter[str]] = {}

    def open(self, models: Models, params: Mapping[str, Any], opened: AsyncExitStack) -> None:
        """Opens what the metrics ask; `opened` closes it."""
        for metric in self._metrics.values():
            metric.open(models, params, opened)

    @property
    def samples(self) -> int:
        """Samples added so far, failed ones included."""
        return self._samples

    @property
    def failed(self) -> int:
        return sum(messages.total() for messages in self._errors.values())

    async def score(self, context: Mapping[str, Any]) -> Scoring:
        """Scores a sample; `add` counts it. Raises EvaluationError when a metric cannot be asked at
        all: of kind template or metric, or as the model that it asks fails."""
        scoring = Scoring()
        for name, metric in self._metrics.items():
            try:
                scored = metric.score(context)
                if isawaitable(scored):
                    scored = await scored
            except EvaluationError:
                raise
            except Exception as e:
                raise EvaluationError("metric", f"{name}: {type(e).__name__}: {e}") from e
            scoring.scores[name] = {k: finite(v) for k, v in scored.values.items()}
            if scored.parts:
                scoring.parts[name] = list(scored.parts)
            if scored.notes is not None:
                scoring.notes[name] = scored.notes
            if scored.problem is not None and scoring.error is None:
                problem = {"kind": scored.problem.kind, "message": scored.problem.message}
                scoring = replace(scoring, error=problem)
        return scoring

    def unscored(self, row: Row, error: EvaluationError) -> Scoring:
        """What is said of a sample that could not be evaluated; `add` counts it."""
        return Scoring(error={"kind": error.kind, "message": error.message})

    def add(
        self,
        scores: Mapping[str, Mapping[str, float | None]],
        parts: Mapping[str, Sequence[float]],
        error: Mapping[str, Any] | None = None,
        index: int | None = None,
    ) -> None:
        """Counts a sample. One that could not be evaluated has an error `{"kind", "message"}` and
        no scores; where only some values are missing it has both. By `index`, the number of its
        row, scores of the whole data set are bootstrapped."""
        self._samples += 1
        self._unscored += not scores
        if error is not None:
            self._count_error(error["kind"], error["message"])
        cluster = cluster_of(parts)
        if USAGE in parts:
            self._usage.add(parts[USAGE])
        for name, values in scores.items():
            statistics = self._statistics.setdefault(name, {})
            for score, value in values.items():
                kept = statistics.get(score)
                if kept is None:
                    kept = statistics[score] = Statistics()
                kept.add(value, cluster)
        for name, numbers in parts.items():
            if name not in self._metrics:
                continue
            if index is not None:
                bootstrap = self._bootstraps.setdefault(name, Bootstrap())
                bootstrap.add(dict(enumerate(numbers)), index, cluster)
            kept_parts = self._parts.get(name)
            self._parts[name] = (
                [a + b for a, b in zip(kept_parts, numbers, strict=True)]
                if kept_parts
                else list(numbers)
            )

    def _count_error(self, kind: str, message: str) -> None:
        messages = self._errors.setdefault(kind, Counter())
        known = message in messages or len(messages) < MESSAGES
        messages[message if known else next(iter(messages))] += 1

    def result(self, task: str) -> dict[str, Any]:
        """The task's result. Raises EvaluationError when there is no sample, or not one that could
        be evaluated."""
        if not self._samples:
            raise EvaluationError("dataset", "the data set has no rows", task=task)
        if self.failed == self._samples and not self._has_values:
            self.give_up(task)
        metrics = {name: {"scores": self.scores(name)} for name in self._metrics}
        errors = {kind: messages.total() for kind, messages in self._errors.items()}
        data = {"errors": errors or None, "usage": self._usage.document()}
        told = {key: value for key, value in data.items() if value is not None}
        return {"metrics": metrics} | ({"data": told} if told else {})

    @property
    def _has_values(self) -> bool:
        return any(kept.count for scores in self._statistics.values() for kept in scores.values())

    @property
    def mean(self) -> float:
        """The mean of the first score of the first metric, where a sample without a value counts
        as 0; -inf when none has one."""
        scores = next(iter(self._statistics.values()))
        first = next(iter(scores.values()), None)
        if first is None or not first.count:
            return -math.inf
        return first.sum / self._samples

    @property
    def complaint(self) -> str | None:
        """The most common error of the samples, and how many have it; None when there is none."""
        if not self._errors:
            return None
        kind, message, count = self._commonest()
        return f"{self.failed} of {self._samples} samples failed; {count} with {kind}: {message}"

    def give_up(self, task: str) -> None:
        """Raises the most common error of the task's samples."""
        kind, message, count = self._commonest()
        counts = f"{count} of {self._samples} samples failed so"
        raise EvaluationError(kind, f"{message} ({counts})", task=task)

    def _commonest(self) -> tuple[str, str, int]:
        """The most common kind of error, its most common message, and how often it came."""
        kind, messages = max(self._errors.items(), key=lambda entry: entry[1].total())
        return kind, messages.most_common(1)[0][0], messages.total()

    def scores(self, name: str) -> dict[str, Any]:
        """The scores of a metric, in the shape of a result."""
        scores: dict[str, Any] = {}
        metric = self._metrics.get(name)
        for score, kept in self._statistics.get(name, {}).items():
            stats = kept.document(failed=self._unscored)
            scores[score] = {"value": kept.mean if kept.count else None, "stats": stats}
            if interval := kept.interval(None if metric is None else metric.bounds(score)):
                scores[score]["interval"] = interval
        if name in self._parts:
            combine = self._metrics[name].combine
            bootstrap = self._bootstraps.get(name, Bootstrap())
            known = bootstrap.document(lambda sums: combine([*sums.values()]))
            for score, value in combine(self._parts[name]).items():
                scores[score] = {"value": value, **known.get(score, {})}
        return scores


def finite(value: float | None) -> float | None:
    """A value that JSON can hold, or None."""
    return value if value is not None and math.isfinite(value) else None


def make_metrics(
    configs: Mapping[str, Mapping[str, Any]],
    templates: Templates,
    field: str,
    *,
    kinds: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Metric]:
    """The metrics of a task by name, all of `kinds` if given. `defaults` are params that those of
    the config are laid over. Raises InvalidArgument with paths below `field`."""
    findings = Findings()
    made: dict[str, Metric] = {}
    for name, config in configs.items():
        path = f"{field}.{name}"
        kind = config.get("type") or ""
        known = kinds or registry.metrics().names()
        if kind not in known:
            findings.add(f"{path}.type", unknown(kind, known))
            continue
        with findings.gather():
            params = {**(defaults or {}), **(config.get("params") or {})}
            made[name] = make_metric(kind, params, templates, f"{path}.params")
    findings.raise_any()
    return made


def make_metric(kind: str, params: Mapping[str, Any], templates: Templates, field: str) -> Metric:
    """One metric, whose params are at `field`. Raises InvalidArgument with paths below it."""
    metric = registry.metrics()[kind]
    parsed = parse(metric.Params, params, field)
    try:
        return metric(parsed, templates.under(field))
    except InvalidArgument as e:
        raise e.under(field) from None
