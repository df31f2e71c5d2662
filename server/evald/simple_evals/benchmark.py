"""What a benchmark of simple-evals is."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evald.errors import EvaluationError

Row = Mapping[str, Any]
File = Mapping[str, Any]
"""A published data set: `files_url`, perhaps `split`, and `fields` that go to all of its rows."""

SCORE = "score"

PLACE = re.compile(r"\{\{|\}\}|\{(\w+)\}")
"""A place of a prompt's template, or a brace that stands for itself."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What grading may need: whether two formulas are equal, and a judge's reply to the
    benchmark's template."""

    equal: Callable[[str, str], Awaitable[bool]]
    ask: Callable[[Mapping[str, Any]], Awaitable[str]] | None = None


@dataclass(frozen=True)
class Benchmark(ABC):
    """Questions of one kind. `files` are where their rows are published; each is asked `repeats`
    times."""

    files: Sequence[File]
    repeats: int = 1

    judge: ClassVar[str | None] = None
    """Template of what a judge is asked, where one may grade."""

    needs_judge: ClassVar[bool] = False
    needs_equality: ClassVar[bool] = False

    counted: ClassVar[Sequence[str]] = ()
    """Grades besides the score, which have scores of their own."""

    macro: ClassVar[bool] = False
    """Whether the mean of its groups is a score as well."""

    @abstractmethod
    def read(self, row: Row) -> Row | None:
        """The row as the other methods take it, or None of one that is not asked about. Raises
        EvaluationError of kind `dataset`."""

    @abstractmethod
    def template(self, row: Row) -> str:
        """The prompt, with the names of `values` in braces."""

    @abstractmethod
    def values(self, row: Row) -> Mapping[str, str]:
        """What a prompt may hold."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Names of the values."""

    def plain(self, reply: str) -> str:
        """A reply as patterns of a config are looked for in it."""
        return reply

    @abstractmethod
    def extract(self, row: Row, text: str) -> str | None:
        """The answer in a reply."""

    @abstractmethod
    async def grade(self, row: Row, answer: str, tools: Tools) -> Mapping[str, float]:
        """The `score` of an answer, 0 or 1, and others. Raises EvaluationError of kind `judge` when
        a judge does not say."""

    def groups(self, row: Row) -> Sequence[str]:
        """What a row belongs to; groups have scores of their own."""
        return ()

    def combine(self, counted: Mapping[str, float]) -> Mapping[str, float]:
        """Scores of the whole data set, from the sums of what is `counted`."""
        return {}


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its places filled, as Python's `format` does it; values are left as they
    are."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return found[0][0] if name is None else values.get(name, found[0])

    return PLACE.sub(value, template)


def first(row: Row, *keys: str) -> Any:
    """The first of a row's fields that has a value. Raises EvaluationError of kind `dataset`."""
    for key in keys:
        if row.get(key) is not None:
            return row[key]
    raise EvaluationError("dataset", f"the row has no field {' or '.join(map(repr, keys))}")


def question_of(row: Row) -> str:
    """The question of a row, by any of the names that data sets have for it."""
    return str(first(row, "question", "Question", "problem", "Problem"))
