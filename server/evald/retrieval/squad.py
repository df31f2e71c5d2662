"""SQuAD, by Rajpurkar et al. (2016): as its authors publish it, or a question a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evald.errors import EvaluationError
from evald.rag.nested import Nested, member
from evald.retrieval.collection import Dataset, Files, Row, text_at
from evald.retrieval.contexts import Asked, Contexts

LEVELS = ("data", "paragraphs", "qas")
"""What the lists of articles, paragraphs and questions are called, from the top down."""


def squad(files: Files, dataset: Dataset) -> Contexts:
    """A collection of `{"data": [{"paragraphs": [{"context", "qas": [{"question"}]}]}]}`, of the
    articles or the paragraphs of that as rows, or of rows `{"context", "question"}`."""
    return Contexts(files, dataset, asked, questions)


def asked(row: Row) -> Asked:
    """The question of a flat row. Raises EvaluationError of kind `dataset`."""
    return Asked(
        str(row.get("id") or ""),
        text_at(row, ("question",)).strip(),
        (text_at(row, ("context",)),),
        answer_of(row.get("answers")),
    )


def answer_of(answers: Any) -> str:
    """The first answer, of a list of `{"text"}` or of columns; nothing where there is none."""
    texts = answers.get("text") if isinstance(answers, Mapping) else answers
    first = texts[0] if isinstance(texts, list) and texts else ""
    text = first.get("text") if isinstance(first, Mapping) else first
    return text if isinstance(text, str) else ""


def questions(row: Row, place: str = "") -> Iterator[Row]:
    """The flat rows that a row stands for, which is itself at `place` of another one, or at the
    top. Raises EvaluationError of kind `dataset`."""
    key = next((one for one in LEVELS if one in row), None)
    if key is None:
        yield Nested(row, place) if place else row
        return
    if not isinstance(row[key], list) or not all(isinstance(one, dict) for one in row[key]):
        raise EvaluationError("dataset", f"{member(place, key)}: it must be a list of objects")
    more = {"context": row.get("context")} if key == "qas" else {}
    for index, one in enumerate(row[key]):
        yield from questions({**one, **more}, member(place, key, index))
