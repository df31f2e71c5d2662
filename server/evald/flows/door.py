"""Rows are read before anything is asked about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evald.errors import EvaluationError
from evald.flows.flow import Datasets, Document
from evald.model import Row
from evald.rag.nested import Nested

TOLD = 5
"""Rows that an error tells of."""


def one(row: Row) -> Iterable[Row]:
    """What a row stands for: itself."""
    return (row,)


def check_rows(
    datasets: Datasets,
    dataset: Document,
    read: Callable[[Row], object],
    task: str,
    *,
    unfold: Callable[[Row], Iterable[Row]] = one,
) -> int:
    """Reads every row of a task, and answers how many there are. `unfold` gives the rows that one
    of the data set stands for; those that stand inside it are Nested, and told by their place.

    Raises EvaluationError of kind `dataset` that says where the rows are that `read` refuses, by an
    EvaluationError, and why.
    """
    wrong: list[str] = []
    count = refused = 0

    def refuse(index: int, message: str) -> None:
        nonlocal refused
        refused += 1
        if len(wrong) < TOLD:
            wrong.append(f"{datasets.place(dataset, index)}: {message}")

    for index, given in enumerate(datasets.rows(dataset)):
        try:
            for row in unfold(given):
                try:
                    read(row)
                    count += 1
                except EvaluationError as e:
                    place = f"{row.place}: " if isinstance(row, Nested) else ""
                    refuse(index, f"{place}{e.message}")
        except EvaluationError as e:  # there is nothing more that could be unfolded
            refuse(index, e.message)
    if wrong:
        more = f" (and {refused - TOLD} rows more)" if refused > TOLD else ""
        raise EvaluationError("dataset", "; ".join(wrong) + more, task=task)
    return count
