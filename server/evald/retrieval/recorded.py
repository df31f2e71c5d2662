"""What a retriever found earlier, a query a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evald.errors import EvaluationError
from evald.retrieval.collection import Row


@dataclass(frozen=True, slots=True)
class Record:
    """What was found for a query, `{"id", "score"}` each, and how relevant documents are for it."""

    query: str
    retrieved: list[dict[str, Any]]
    relevant: dict[str, int]


def read_record(row: Row) -> Record:
    """The record of a row `{"query"?, "retrieved", "relevant"}`.

    `retrieved` is a list of `{"id", "score"}` or of names, the best first; `relevant` has a whole
    number for each name, or is a list of names. Raises EvaluationError of kind `dataset`.
    """
    given, relevant = row.get("retrieved"), row.get("relevant")
    if not isinstance(given, list):
        raise EvaluationError("dataset", "the row has no list 'retrieved' of what was found")
    found = [one if isinstance(one, Mapping) else {"id": one} for one in given]
    scores = [one.get("score", len(found) - rank) for rank, one in enumerate(found)]
    if not all(map(is_name, (one.get("id") for one in found))) or not all(map(is_number, scores)):
        raise EvaluationError(
            "dataset", 'retrieved: it must be a list of {"id", "score"}, or of names'
        )
    counts = Counter(one["id"] for one in found)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise EvaluationError("dataset", f"retrieved: {twice[0]!r} is there twice")
    if isinstance(relevant, list):
        relevant = dict.fromkeys(relevant, 1) if all(map(is_name, relevant)) else None
    if not isinstance(relevant, Mapping) or not relevant or not all(map(is_int, relevant.values())):
        raise EvaluationError(
            "dataset",
            "relevant: it must have a whole number for each name of a document, or be a list of "
            "names",
        )
    retrieved = [
        {"id": one["id"], "score": float(score)} for one, score in zip(found, scores, strict=True)
    ]
    return Record(str(row.get("query") or ""), retrieved, dict(relevant))


def is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
