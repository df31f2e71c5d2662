"""The collection that every Python has."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from evald.clients.datasets import FileDatasets
from evald.clients.docstrings import described
from evald.errors import EvaluationError
from evald.settings import ClientSettings

URL = "file://python/"


@pytest.fixture
def datasets(tmp_path: Path) -> FileDatasets:
    return FileDatasets(ClientSettings(data_dir=tmp_path))


def test_its_files(datasets: FileDatasets) -> None:
    assert datasets.files({"files_url": URL}) == ["corpus.jsonl", "qrels/test.tsv", "queries.jsonl"]
    corpus, queries, judgments = (
        list(datasets.rows({"files_url": f"{URL}{name}"}))
        for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
    )
    names = [row["_id"] for row in corpus]
    assert names == [row["_id"] for row in queries] == [row["query-id"] for row in judgments]
    assert names == [row["corpus-id"] for row in judgments]
    assert len(set(names)) == len(names) > 1000
    assert {row["score"] for row in judgments} == {"1"}


@pytest.mark.parametrize(
    ("module", "name"), [("shutil", "copytree"), ("heapq", "merge"), ("json", "dumps")]
)
def test_a_docstring_is_the_one_that_help_shows(module: str, name: str) -> None:
    found = {name: f"{first}\n{rest}" for name, first, rest in described()}
    shown = inspect.getdoc(getattr(import_module(module), name))
    assert shown is not None
    first, _, rest = shown.strip().partition("\n")
    assert found[f"{module}.{name}"] == f"{first.strip()}\n{rest.strip()}"


def test_a_file_that_it_does_not_have(datasets: FileDatasets) -> None:
    with pytest.raises(EvaluationError, match="is not present"):
        list(datasets.rows({"files_url": f"{URL}other.jsonl"}))


def test_the_files_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    for name in ("b/x.csv", "a.jsonl.gz", "README.md", ".hidden.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    datasets = FileDatasets(ClientSettings(data_dir=tmp_path, file_roots=(str(tmp_path),)))
    assert datasets.files({"files_url": str(tmp_path)}) == ["a.jsonl.gz", "b/x.csv"]
    assert datasets.files({"files_url": f"{tmp_path}/b"}) == ["x.csv"]
    assert datasets.files({"files_url": f"{tmp_path}/b/x.csv"}) == ["x.csv"]
