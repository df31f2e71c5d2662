"""BEIR: `corpus`, `queries` and `qrels`, by Thakur et al. (2021)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from evald.errors import EvaluationError
from evald.retrieval.collection import (
    Collection,
    Dataset,
    Files,
    Gaps,
    Part,
    Query,
    Row,
    name_at,
    text_at,
)
from evald.retrieval.names import Names
from evald.vectors import Passage

CORPUS, QUERIES, QRELS = "corpus", "queries", "qrels"

SPLIT = "test"
"""The judgments that count unless the data set names a split."""

ID = ("_id", "id")


class Beir(Collection):
    """A folder with a corpus, queries, and judgments of a split, each a file of any format that has
    rows, or a folder of such files.

    A document is its title and its text, as the authors' own retrievers embed it. One that has
    neither is left out: nothing could find it.
    """

    def __init__(self, files: Files, dataset: Dataset) -> None:
        super().__init__(files, dataset)
        names = files.files(dataset)
        self._corpus = self._at(first_called(CORPUS, names, dataset), limit=self.limit)
        self._asked = self._at(first_called(QUERIES, names, dataset))
        self._judged = [self._at(name) for name in judgments(names, dataset)]
        self._grades: dict[str, dict[str, int]] = {}
        self._absent: tuple[set[str], set[str]] = (set(), set())
        """Documents and queries that are judged and have not been seen; a document with a text."""

    def parts(self) -> Sequence[Part]:
        return (
            *(Part(one, self._grade, alone) for one in self._judged),
            Part(self._corpus, partial(self._check_document, Names()), alone),
            Part(self._asked, partial(self._check_query, Names()), alone),
        )

    def gaps(self) -> Gaps:
        """Under a limit no document counts as lacking: only the first are read."""
        documents, queries = self._absent
        relevant = lacking = unknown = 0
        document = query = ""
        for name, grades in self._grades.items():
            if name in queries:
                unknown, query = unknown + len(grades), query or name
                continue
            for one, grade in grades.items():
                relevant += grade > 0
                if grade > 0 and self.limit is None and one in documents:
                    lacking, document = lacking + 1, document or one
        return Gaps(relevant, lacking, document, unknown, query)

    def _documents(self) -> Iterator[Passage]:
        for row in self._files.rows(self._corpus):
            if text := text_of(row):
                yield Passage(name_at(row, ID), text)

    def _queries(self) -> Iterator[Query]:
        for row in self._files.rows(self._asked):
            name = name_at(row, ID)
            if grades := self._grades.get(name):
                yield Query(name, text_at(row, ("text",)), grades, str(row.get("answer") or ""))

    def _at(self, name: str, limit: int | None = None) -> Dataset:
        """The data set that is one file or folder of this one."""
        url = str(self._dataset["files_url"]).rstrip("/")
        whole = {k: v for k, v in self._dataset.items() if k not in ("limit", "split")}
        limited = {} if limit is None else {"limit": limit}
        path = name if url.startswith("/") else quote(name)
        return {**whole, **limited, "files_url": f"{url}/{path}"}

    def _check_document(self, seen: Names, row: Row) -> None:
        name = name_at(row, ID)
        once(seen, name)
        if text_of(row):
            self._absent[0].discard(name)
            self._size += 1

    def _check_query(self, seen: Names, row: Row) -> None:
        name = name_at(row, ID)
        once(seen, name)
        self._absent[1].discard(name)
        if name in self._grades:
            text_at(row, ("text",))

    def _grade(self, row: Row) -> None:
        query = name_at(row, ("query-id", "query_id"))
        document = name_at(row, ("corpus-id", "corpus_id"))
        self._grades.setdefault(query, {})[document] = whole_number(row.get("score"))
        self._absent[0].add(document)
        self._absent[1].add(query)


def alone(row: Row) -> tuple[Row]:
    """The rows that a row stands for: itself."""
    return (row,)


def once(seen: Names, name: str) -> None:
    """Raises EvaluationError of kind `dataset` when a name was there before."""
    if not seen.add(name):
        raise EvaluationError("dataset", f"{ID[0]}: {name!r} is there twice")


def text_of(row: Row) -> str:
    """Title and text of a document. Raises EvaluationError of kind `dataset`."""
    title, text = row.get("title") or "", row.get("text")
    if not isinstance(title, str):
        raise EvaluationError("dataset", f"title: {title!r:.80} is no text")
    if not isinstance(text, str):
        reason = "the row has no text" if text is None else f"text: {text!r:.80} is no text"
        raise EvaluationError("dataset", reason)
    return f"{title} {text}".strip()


def whole_number(value: Any) -> int:
    """A judgment's score. Raises EvaluationError of kind `dataset`."""
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise EvaluationError("dataset", f"score: {value!r:.80} is no whole number")


def called(name: str, names: Sequence[str]) -> list[str]:
    """The files that are called so, or are in a folder of that name, or have it before a point."""
    return [one for one in names if PurePosixPath(one).parts[0].partition(".")[0] == name]


def first_called(name: str, names: Sequence[str], dataset: Dataset) -> str:
    """The file or folder that is called so. Raises EvaluationError of kind `dataset`."""
    if not (found := called(name, names)):
        raise absent(name, names, dataset)
    return PurePosixPath(found[0]).parts[0]


def judgments(names: Sequence[str], dataset: Dataset) -> list[str]:
    """The files with the judgments of the data set's split. Raises EvaluationError of kind
    `dataset`."""
    found = called(QRELS, names)
    if not found:
        raise absent(QRELS, names, dataset)
    split = dataset.get("split")
    chosen = [name for name in found if (split or SPLIT) in re.split(r"[/.\-_]", name)]
    if chosen:
        return chosen
    if not split and len(found) == 1:
        return found
    message = f"there are no judgments of the split {split or SPLIT!r}, only {', '.join(found)}"
    raise EvaluationError("dataset", message)


def absent(name: str, names: Sequence[str], dataset: Dataset) -> EvaluationError:
    """The error of a folder that is no whole collection."""
    folders = {file.partition("/")[0] for file in names if "/" in file}
    if len(folders) == 1 and not any("/" not in file for file in names):
        url = str(dataset["files_url"]).rstrip("/")
        message = f"{url} has no {name}, only a folder: use files_url {url}/{folders.pop()}"
        return EvaluationError("dataset", message)
    return EvaluationError(
        "dataset",
        f"{dataset['files_url']} has no {name}: BEIR's format is a folder with corpus.jsonl, "
        f"queries.jsonl and qrels/test.tsv, and there is {', '.join(names[:10]) or 'nothing'}; put "
        "the folder's parts into the data set, or call the judgments qrels.tsv",
    )
