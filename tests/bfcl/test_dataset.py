"""The user's own files of questions, as BFCL has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evald.bfcl.categories import CATEGORIES
from evald.bfcl.dataset import own, packaged
from evald.clients.datasets import FileDatasets
from evald.errors import EvaluationError
from evald.settings import ClientSettings

NAMES = ("simple", "java", "live_multiple", "irrelevance")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five questions of four categories, in files as of version 3 of the data."""
    (tmp_path / "possible_answer").mkdir()
    for name in NAMES:
        rows = packaged([CATEGORIES[name]], 5)
        questions = [{k: row[k] for k in ("id", "question", "function")} for row in rows]
        answers = [{k: row[k] for k in ("id", "ground_truth") if k in row} for row in rows]
        write(tmp_path / f"BFCL_v3_{name}.json", questions)
        if name != "irrelevance":
            write(tmp_path / "possible_answer" / f"BFCL_v3_{name}.json", answers)
    return tmp_path


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def read(folder: Path, *names: str, limit: int | None = None) -> list[dict[str, Any]]:
    datasets = FileDatasets(ClientSettings(data_dir=folder, file_roots=(str(folder),)))
    given = {"files_url": str(folder)}
    categories = [CATEGORIES[name] for name in names]
    return own(datasets.rows(given), categories, limit, lambda index: datasets.place(given, index))


def test_files_in_folders(folder: Path) -> None:
    found = read(folder, "simple", "live_multiple", "irrelevance")
    assert len(found) == 15
    there = {row["id"]: row for row in packaged([CATEGORIES[name] for name in NAMES], 5)}
    for row in found:
        assert row == {**there[row["id"]], "function": row["function"]}
        for function, same in zip(row["function"], there[row["id"]]["function"], strict=True):
            assert function["parameters"] == {"required": [], **same["parameters"]}


def test_limits_of_each_category(folder: Path) -> None:
    found = read(folder, "java", "simple", limit=2)
    assert [row["category"] for row in found] == ["java", "java", "simple", "simple"]


def test_the_place_of_what_is_wrong(folder: Path) -> None:
    path = folder / "BFCL_v3_simple.json"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write(path, [*rows[:3], {**rows[3], "function": []}, rows[4]])
    with pytest.raises(EvaluationError, match=r"BFCL_v3_simple\.json, line 4: it has no functions"):
        read(folder, "simple")
