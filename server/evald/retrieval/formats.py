"""Which format a collection is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evald.errors import EvaluationError
from evald.retrieval.beir import CORPUS, QUERIES, Beir, called
from evald.retrieval.collection import Collection, Dataset, Files
from evald.retrieval.ragas import ragas
from evald.retrieval.squad import squad
from evald.suggest import unknown

FORMATS: Mapping[str, Callable[[Files, Dataset], Collection]] = {
    "beir": Beir,
    "squad": squad,
    "ragas": ragas,
}


def open_collection(files: Files, dataset: Dataset, kind: str) -> Collection:
    """The collection of a data set: of its `format`, or where it has none of BEIR's if its files
    are called so, else of the format `kind`. Raises EvaluationError of kind `dataset`."""
    format = dataset.get("format")
    if not format:
        names = files.files(dataset)
        format = "beir" if called(CORPUS, names) and called(QUERIES, names) else kind
    if format not in FORMATS:
        raise EvaluationError("dataset", f"dataset.format: {unknown(str(format), FORMATS)}")
    return FORMATS[format](files, {**dataset, "format": format})
