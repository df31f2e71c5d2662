"""Rows are read before anything is asked about them."""

from __future__ import annotations

from collections.abc import Callable

from evald.errors import EvaluationError
from evald.flows.flow import Datasets, Document
from evald.model import Row

TOLD = 5
"""Rows that an error tells of."""


def check_rows(
    datasets: Datasets, dataset: Document, read: Callable[[Row], object], task: str
) -> int:
    """Reads every row of a task, and answers how many there are.

    Raises EvaluationError of kind `dataset` that says where the rows are that `read` refuses, by an
    EvaluationError, and why.
    """
    wrong: list[str] = []
    count = refused = 0
    for count, row in enumerate(datasets.rows(dataset), 1):
        try:
            read(row)
        except EvaluationError as e:
            refused += 1
            if len(wrong) < TOLD:
                wrong.append(f"{datasets.place(dataset, count - 1)}: {e.message}")
    if wrong:
        more = f" (and {refused - TOLD} rows more)" if refused > TOLD else ""
        raise EvaluationError("dataset", "; ".join(wrong) + more, task=task)
    return count
