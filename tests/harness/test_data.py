"""Splits of data sets of the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evald.clients.datasets import FileDatasets
from evald.errors import EvaluationError
from evald.harness.data import Own
from evald.settings import Settings

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("lm-eval")]


@pytest.fixture
def datasets(tmp_path: Path) -> FileDatasets:
    return FileDatasets(Settings(data_dir=tmp_path, file_roots=(str(tmp_path),)).clients)


def write(path: Path, *texts: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def texts(own: Own, split: str) -> list[str]:
    return [row["text"] for row in own[split]]


def test_a_folder_with_splits(datasets: FileDatasets, tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", "a", "b")
    write(tmp_path / "test" / "part-1.jsonl", "c")
    own = Own(datasets, {"files_url": str(tmp_path)})
    assert texts(own, "train") == ["a", "b"]
    assert texts(own, "test") == ["c"]
    assert own["test"] is own["test"]


def test_what_is_not_divided_is_in_every_split(datasets: FileDatasets, tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", "a", "b")
    for url in (tmp_path, tmp_path / "rows.jsonl"):
        own = Own(datasets, {"files_url": str(url)})
        assert texts(own, "train") == texts(own, "test") == ["a", "b"]


def test_a_data_set_that_cannot_be_read(datasets: FileDatasets, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError) as e:
        Own(datasets, {"files_url": str(tmp_path / "none.jsonl")})["test"]
    assert e.value.kind == "dataset"


def test_a_split_that_cannot_be_read_is_not_replaced(
    datasets: FileDatasets, tmp_path: Path
) -> None:
    """By the whole data set, with the rows to train on among it."""
    write(tmp_path / "train.jsonl", *"abcde")
    (tmp_path / "validation.jsonl").write_text('{"text": "v"}\n{"text"\n')
    own = Own(datasets, {"files_url": str(tmp_path), "limit": 5})
    with pytest.raises(EvaluationError, match=r"validation.jsonl, line 2: it is not JSON"):
        own["validation"]
    assert texts(own, "train") == list("abcde")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"n": "1"}, {"n": None}, {"n": 2}], "'n' is int in row 3, and str before"),
        ([{"n": {"m": 1}}, {"n": {"m": "2"}}], "type str"),
    ],
)
def test_fields_without_one_type(
    datasets: FileDatasets, tmp_path: Path, rows: list[dict[str, Any]], told: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(EvaluationError, match=told) as e:
        Own(datasets, {"files_url": str(path)})["test"]
    assert e.value.kind == "dataset"
    assert str(path) in str(e.value)


def test_whole_numbers_and_others_are_one_type(datasets: FileDatasets, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"n": 1.5}\n')
    assert Own(datasets, {"files_url": str(path)})["test"]["n"] == [1.0, 1.5]
