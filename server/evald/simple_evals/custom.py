"""A prompt and expressions for answers, in place of a benchmark's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evald.simple_evals.benchmark import PLACE
from evald.simple_evals.catalog import Variant


class Extraction(BaseModel):
    """An expression that finds an answer: of its last match, the group."""

    model_config = ConfigDict(extra="allow", frozen=True)

    regex: str
    match_group: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _compiles(self) -> Extraction:
        try:
            groups = re.compile(self.regex).groups
        except re.error as e:
            raise ValueError(f"not a regular expression: {e}") from None
        if self.match_group > groups:
            raise ValueError(f"the expression has no group {self.match_group}")
        return self


class CustomConfig(BaseModel):
    """`prompt_template` has the names of what it holds in braces, such as `{Question}`. Of the
    expressions of `extraction` the first that matches finds the answer."""

    model_config = ConfigDict(extra="allow", frozen=True)

    prompt_template: str | None = None
    extraction: list[Extraction] = Field(default=[])

    @field_validator("extraction", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [{"regex": one} if isinstance(one, str) else one for one in value]

    def unknown(self, names: Sequence[str]) -> Iterator[str]:
        """Names in the template that the benchmark does not fill."""
        for found in PLACE.finditer(self.prompt_template or ""):
            if found[1] and found[1] not in names:
                yield found[1]

    def of(self, variant: Variant) -> Variant:
        """The benchmark with what is said here."""
        return replace(
            variant,
            prompt=self.prompt_template or variant.prompt,
            patterns=[(e.regex, e.match_group) for e in self.extraction] or variant.patterns,
        )
