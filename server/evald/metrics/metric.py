"""What a metric is."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from evald.errors import EvaluationError
from evald.model import Models
from evald.templates import Templates


class MetricParams(BaseModel):
    """Parameters of a metric. Keys that it does not know are kept and ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a metric says of one sample.

    `values` holds the value of each score; None is a value that could not be made (it counts in
    `nan_count`, never as 0). `parts` holds numbers that are added up over all samples for scores
    of the whole data set, such as the n-gram counts of corpus BLEU. `notes` is kept with the sample
    for people to read, as JSON. `problem` says why a value is missing; the sample then has values,
    and an error of kind `metric` or the metric's own.
    """

    values: Mapping[str, float | None]
    parts: Sequence[float] = field(default=())
    notes: Any = None
    problem: EvaluationError | None = None


class Metric(ABC):
    """Scores samples. One instance serves one metric of one task.

    A subclass sets `type` (the name in configs) and `Params`, compiles its templates in `__init__`
    (raising InvalidArgument with a field path relative to the metric's params), and imports heavy
    libraries inside methods, since the server reads every metric at start.
    """

    type: ClassVar[str]
    Params: ClassVar[builtins.type[MetricParams]] = MetricParams

    range: ClassVar[tuple[float, float] | None] = None
    """The least and the greatest value that its scores may have, if they have them in common."""

    @abstractmethod
    def __init__(self, params: MetricParams, templates: Templates) -> None: ...

    def open(  # noqa: B027, most metrics ask no model
        self, models: Models, params: Mapping[str, Any], opened: AsyncExitStack
    ) -> None:
        """Opens the models that the metric asks, under `params` of the config; `opened` closes
        them. Called once, before the first sample."""

    @abstractmethod
    def score(self, context: Mapping[str, Any]) -> Scored | Awaitable[Scored]:
        """Scores one sample; a metric that asks a model does so in a coroutine.

        `context` is what templates see: the row's fields, `item` and `sample`.

        Raises EvaluationError of kind `template` when the row lacks a field, and of kind `metric`
        when the values cannot be scored.
        """

    def bounds(self, score: str) -> tuple[float, float] | None:
        """The least and the greatest value that a score may have; None where one cannot tell."""
        return self.range

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        """Scores of the whole data set, from the sum of every sample's `parts`."""
        return {}
