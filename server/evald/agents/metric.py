"""Metrics of agents, and the rows that they read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from evald.errors import EvaluationError
from evald.judging.metric import JudgedMetric, Judgement


class AgentRow(BaseModel):
    """A row that a metric reads. Other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Row = TypeVar("Row", bound=AgentRow)


class AgentMetric(JudgedMetric, Generic[Row]):
    """Gives one score to each row of a form."""

    form: ClassVar[type[AgentRow]]

    async def judge(self, context: Mapping[str, Any]) -> Judgement:
        row: Any = read(self.form, context["item"])
        return await self.measure(row)

    @abstractmethod
    async def measure(self, row: Row) -> Judgement:
        """Judges a row. Raises EvaluationError: of kind `metric` when the value is not defined for
        it."""


def read(form: type[AgentRow], row: Mapping[str, Any]) -> AgentRow:
    """Raises EvaluationError of kind `dataset` that says what is wrong with a row."""
    try:
        return form.model_validate(row)
    except ValidationError as e:
        problems = e.errors(include_url=False, include_input=False)
        told = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:3]]
        raise EvaluationError("dataset", "; ".join(told)) from None
