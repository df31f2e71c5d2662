"""A metric that asks a judge."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evald.errors import EvaluationError
from evald.judging.question import Mumbled
from evald.metrics.metric import Metric, Scored


@dataclass(frozen=True, slots=True)
class Judgement:
    """A value, and what the judge said that it comes from, as JSON."""

    value: float
    notes: Any = None


class JudgedMetric(Metric):
    """Gives one score, named as its `type`.

    A judge that fails, or whose reply is not of the form that it was asked for, leaves the sample
    without a value, and with a problem of the failure's kind or `judge`. Other metrics of the
    sample are not touched by that.
    """

    async def score(self, context: Mapping[str, Any]) -> Scored:
        try:
            judgement = await self.judge(context)
        except EvaluationError as e:
            if e.kind == "deadline":
                raise
            notes = {"reply": e.reply} if isinstance(e, Mumbled) else None
            problem = EvaluationError(e.kind, f"{self.type}: {e.message}")
            return Scored({self.type: None}, notes=notes, problem=problem)
        return Scored({self.type: judgement.value}, notes=judgement.notes)

    @abstractmethod
    async def judge(self, context: Mapping[str, Any]) -> Judgement:
        """Judges a sample. Raises EvaluationError: of kind `metric` when the value is not defined
        for it."""
