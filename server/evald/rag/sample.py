"""What a metric sees of a question that was answered from contexts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evald.errors import EvaluationError
from evald.rag.nested import Nested

NAMES: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "user_input", "query"),
    "contexts": ("contexts", "retrieved_contexts"),
    "response": ("answer", "response"),
    "reference": ("ground_truth", "reference", "ground_truths"),
}
"""What fields are called in rows, by RAGAS before 0.2 and after it; the first that is there."""


@dataclass(frozen=True, slots=True)
class RagSample:
    """A question, the contexts that were found for it, the best first, the answer that was made
    from them, and a reference answer. What nobody needs may be empty."""

    question: str = ""
    contexts: tuple[str, ...] = ()
    response: str = ""
    reference: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any], needs: Collection[str]) -> RagSample:
        """The sample of a row. Raises EvaluationError of kind `dataset` when the row lacks one of
        the fields of `needs`, or has something else in its place."""
        given = {field: value_of(row, NAMES[field]) for field in needs}
        for field, value in given.items():
            if value is None:
                raise EvaluationError("dataset", f"the row has no {' or '.join(NAMES[field])}")
        return cls(**{f: (texts if f == "contexts" else text)(v, f) for f, v in given.items()})


def unfolded(row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rows that a row stands for: itself, or where each field is a column, as RAGAS wrote its
    data once, the rows of that table. Raises EvaluationError of kind `dataset`."""
    questions = value_of(row, NAMES["question"])
    if not isinstance(questions, list):
        yield row
        return
    columns = {name: column for name, column in row.items() if isinstance(column, list)}
    if unlike := [name for name, column in columns.items() if len(column) != len(questions)]:
        raise EvaluationError(
            "dataset", f"{unlike[0]}: the column is not as long as that of the questions"
        )
    for index, values in enumerate(zip(*columns.values(), strict=True)):
        yield Nested(dict(zip(columns, values, strict=True)), f"entry {index} of the columns")


def value_of(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of several fields that a row has."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def text(value: Any, field: str) -> Any:
    """A text; of a list, as older data have for references, its first."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, str):
        return first
    raise EvaluationError("dataset", f"{field}: {value!r:.80} is no text")


def texts(value: Any, field: str) -> Any:
    if isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    raise EvaluationError("dataset", f"{field}: {value!r:.80} is no list of texts")
