"""The scores of lm-eval's tasks, and how far they may be off."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from evald.errors import EvaluationError
from evald.flows.scoreboard import Scoreboard, Scoring, finite
from evald.harness.examinee import DocumentSample
from evald.metrics.metric import Metric, Scored
from evald.statistics import normal


class Ratio(Metric):
    """One of lm-eval's metrics that is made of two sums. Board scores its samples."""

    type = ""

    def __init__(self, name: str, value: Callable[[Sequence[float]], float]) -> None:
        self._name = name
        self._value = value

    def score(self, context: Mapping[str, Any]) -> Scored:
        raise NotImplementedError

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        return {self._name: self._value(parts)}


class Board(Scoreboard):
    """Scores one of lm-eval's tasks by its own rules. `answers` gets what they are made from;
    `ratios` are the scores that are made of two sums."""

    def __init__(
        self, answers: dict[int, Any], ratios: Mapping[str, Callable[[Sequence[float]], float]]
    ) -> None:
        super().__init__({name: Ratio(name, value) for name, value in ratios.items()})
        self.answers = answers
        self.ratios = ratios

    def complete(
        self, metrics: Mapping[str, Any], means: Collection[str], *, clustered: bool
    ) -> None:
        """Adds to lm-eval's scores what is known here of those that are `means`, or made of two
        sums, and the intervals of the others. Of a ratio without a value nothing is known: that
        of the pairs that are finite is another."""
        for name, metric in metrics.items():
            score = metric["scores"][name]
            is_mean = any(name == mean or name.startswith(f"{mean}__") for mean in means)
            if is_mean or (name in self.ratios and score["value"] is not None):
                score |= self.scores(name).get(name, {}) | {"value": score["value"]}
        with_intervals(metrics, clustered=clustered)

    async def score(self, context: Mapping[str, Any]) -> Scoring:
        from evald.harness.suite import scores

        sample = context["sample"]
        assert isinstance(sample, DocumentSample)
        try:
            found, pairs = scores(sample.document, sample.answers)
        except Exception as e:
            raise EvaluationError("metric", f"{type(e).__name__}: {e}") from e
        self.answers[sample.document.index] = sample.answers
        parts = {name: pair for name, pair in pairs.items() if name in self.ratios}
        return Scoring({m: {k: finite(v) for k, v in s.items()} for m, s in found.items()}, parts)

    def add(
        self,
        scores: Mapping[str, Mapping[str, float | None]],
        parts: Mapping[str, Sequence[float | None]],
        error: Mapping[str, Any] | None = None,
        index: int | None = None,
    ) -> None:
        """Pairs that are not finite are left out: JSON has none, and an earlier attempt's are
        None."""
        whole: dict[str, Sequence[float]] = {}
        for name, numbers in parts.items():
            known = [number for number in map(finite, numbers) if number is not None]
            if len(known) == len(numbers):
                whole[name] = known
        super().add(scores, whole, error, index)


def with_intervals(metrics: Mapping[str, Any], *, clustered: bool) -> None:
    """Adds intervals to the scores of which no more than lm-eval's standard error is known. As that
    knows of no clusters, it is left out where there are some."""
    for metric in metrics.values():
        for score in metric["scores"].values():
            if "interval" in score or score.get("stats", {}).keys() != {"stderr"}:
                continue
            if clustered:
                del score["stats"]
            elif score["value"] is not None:
                score["interval"] = normal(score["value"], score["stats"]["stderr"])
