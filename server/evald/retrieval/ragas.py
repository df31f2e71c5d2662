"""RAGAS: rows with a question and its contexts."""

from __future__ import annotations

from evald.errors import EvaluationError
from evald.rag.sample import NAMES, RagSample, unfolded, value_of
from evald.retrieval.collection import Dataset, Files, Row
from evald.retrieval.contexts import Asked, Contexts

REFERENCES = "reference_contexts"
"""The contexts that a retriever should find, where a row tells them from those that one found."""


def ragas(files: Files, dataset: Dataset) -> Contexts:
    """A collection of rows in either form of RAGAS, as they are, or as columns in one row."""
    return Contexts(files, dataset, asked, unfolded)


def asked(row: Row) -> Asked:
    """The question of a row. Raises EvaluationError of kind `dataset`."""
    if row.get(REFERENCES) is not None:
        row = {**row, "contexts": row[REFERENCES]}
    needs = {"question", "contexts"}
    if value_of(row, NAMES["reference"]) is not None:
        needs.add("reference")
    sample = RagSample.of(row, needs)
    contexts = tuple(context for context in sample.contexts if context.strip())
    for field, given in (("question", sample.question.strip()), ("contexts", contexts)):
        if not given:
            raise EvaluationError("dataset", f"{field}: there is no text in it")
    return Asked("", sample.question, contexts, sample.reference)
