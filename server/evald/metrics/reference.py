"""Metrics that compare a text with reference texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AliasChoices, Field, field_validator

from evald.errors import EvaluationError
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.templates import Templates, text_of


class ReferenceParams(MetricParams):
    """`references` is a template or a list of them; `candidate` is what is scored."""

    references: list[str] = Field(
        validation_alias=AliasChoices("references", "reference", "ground_truth"),
        min_length=1,
        description='what to compare with, such as {"reference": "{{ item.ideal_response }}"}',
    )
    candidate: str = Field(
        "{{ sample.output_text }}", validation_alias=AliasChoices("candidate", "prediction")
    )

    @field_validator("references", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class ReferenceMetric(Metric):
    """Renders the candidate and its references, and compares them.

    A reference template that gives a list, by `tojson`, stands for all of its entries. One that
    gives null or no entry is an error of the sample: a score against nothing would say nothing.
    """

    Params = ReferenceParams

    def __init__(self, params: ReferenceParams, templates: Templates) -> None:
        self._references = [
            templates.compile(text, f"references.{i}") for i, text in enumerate(params.references)
        ]
        self._candidate = templates.compile(params.candidate, "candidate")

    def score(self, context: Mapping[str, Any]) -> Scored:
        references: list[str] = []
        for template in self._references:
            given = template.value(context)
            for reference in given if isinstance(given, list) else [given]:
                if reference is None:
                    raise EvaluationError("metric", f"{template.place} gives null")
                references.append(text_of(reference))
        if not references:
            raise EvaluationError("metric", f"{self._references[0].place} gives no reference")
        return self.compare(self._candidate.text(context), references)

    @abstractmethod
    def compare(self, candidate: str, references: Sequence[str]) -> Scored:
        """Scores a text against one reference or more."""
