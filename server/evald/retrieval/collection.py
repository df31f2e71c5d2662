"""Documents, queries, and which documents answer which query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

from evald.errors import EvaluationError
from evald.vectors import ID_BYTES, Passage

Row = Mapping[str, Any]
Dataset = Mapping[str, Any]


class Files(Protocol):
    """Reads data sets. Methods raise EvaluationError of kind `dataset`."""

    def files(self, dataset: Dataset) -> Sequence[str]:
        """Names of the files below its `files_url` that have rows."""

    def rows(self, dataset: Dataset) -> Iterator[dict[str, Any]]:
        """Its rows, read as they are asked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question, how relevant documents are for it (by name; from 1 they are), and an answer that
    is known to be right, if there is one."""

    id: str
    text: str
    relevant: Mapping[str, int]
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a collection, each of which `read` must be shown before anything is asked of the
    collection. It raises EvaluationError of kind `dataset` when a row is wrong. `unfold` gives the
    rows that one of the data set stands for."""

    dataset: Dataset
    read: Callable[[Row], object]
    unfold: Callable[[Row], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Gaps:
    """Judgments of relevance, those of them about documents without a text there, and judgments
    about queries that are not there; of both an example by its name, empty where there is none."""

    relevant: int = 0
    documents: int = 0
    document: str = ""
    queries: int = 0
    query: str = ""


class Collection(ABC):
    """A data set to retrieve from. Neither documents nor queries are kept in memory.

    Of more than `limit` documents the first count, and then the queries that one of these answers.
    """

    def __init__(self, files: Files, dataset: Dataset) -> None:
        self._files = files
        self._dataset = dataset
        self.limit: int | None = dataset.get("limit")
        self._size = 0

    @property
    def size(self) -> int:
        """Documents, once all parts have been read."""
        return self._size if self.limit is None else min(self._size, self.limit)

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """What has to be read first. Raises EvaluationError of kind `dataset`."""

    def gaps(self) -> Gaps | None:
        """What judgments name and the collection lacks, once all parts have been read; None where
        relevance is told by what is there."""
        return None

    def documents(self) -> Iterator[Passage]:
        """The documents, read anew, always in the same order."""
        return islice(self._documents(), self.limit)

    def queries(self) -> Iterator[Query]:
        """The queries that have judgments, read anew; under a limit those that a document among
        the first answers."""
        if self.limit is None:
            yield from self._queries()
            return
        judged = {name for query in self._queries() for name in query.relevant}
        there = {passage.id for passage in self.documents() if passage.id in judged}
        for query in self._queries():
            relevant = {name: grade for name, grade in query.relevant.items() if name in there}
            if any(grade > 0 for grade in relevant.values()):
                yield replace(query, relevant=relevant)

    @abstractmethod
    def _documents(self) -> Iterator[Passage]: ...

    @abstractmethod
    def _queries(self) -> Iterator[Query]: ...


def text_at(row: Row, names: Sequence[str]) -> str:
    """The text in the first of several fields that a row has. Raises EvaluationError of kind
    `dataset` when there is none, or nothing but white space in it."""
    value = next((row[name] for name in names if row.get(name) is not None), None)
    if value is None:
        raise EvaluationError("dataset", f"the row has no {' or '.join(names)}")
    if not isinstance(value, str) or not value.strip():
        raise EvaluationError("dataset", f"{names[0]}: {value!r:.80} is no text")
    return value


def name_at(row: Row, names: Sequence[str]) -> str:
    """The name in the first of several fields that a row has, which may be a number. Raises
    EvaluationError of kind `dataset`."""
    value = next((row[name] for name in names if row.get(name) is not None), None)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 1 <= _size(value) <= ID_BYTES:
        if value is None:
            raise EvaluationError("dataset", f"the row has no {' or '.join(names)}")
        raise EvaluationError(
            "dataset", f"{names[0]}: {value!r:.80} is no name of 1 to {ID_BYTES} bytes"
        )
    return value


def _size(text: str) -> int:
    """Bytes of a text; 0 of one that has half a character, which cannot be kept."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0
