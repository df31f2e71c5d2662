"""Data sets in Parquet, from a folder, a hub and the web."""

from __future__ import annotations

import datetime
import io
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow
import pytest
from pyarrow.parquet import write_table

from evald.clients.datasets import FileDatasets
from evald.errors import EvaluationError
from evald.settings import ClientSettings
from tests.clients.hub import FakeHub, serving
from tests.endpoint import Answer, Endpoint

ROWS: list[dict[str, Any]] = [
    {"text": "é", "tests": ["assert f(1)", "assert f(2)"], "n": 2**53 + 1, "x": None},
    {"text": "", "tests": [], "n": -1, "x": {"y": 0.5}},
] * 100


def parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as made:
        yield made


def store(settings: ClientSettings, name: str, content: bytes) -> dict[str, Any]:
    folder = settings.data_dir / "datasets" / "ns" / "name"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    return {"files_url": "hf://datasets/ns/name"}


@pytest.mark.parametrize("name", ["x.parquet", "x.PARQUET", "x.data"])
def test_rows_and_limits(name: str, settings: ClientSettings) -> None:
    dataset = store(settings, name, parquet(ROWS))
    dataset["files_url"] += f"/{name}"
    datasets = FileDatasets(settings)
    assert list(datasets.rows(dataset)) == ROWS
    assert datasets.count(dataset) == 200
    assert list(datasets.rows({**dataset, "limit": 3})) == ROWS[:3]
    assert datasets.count({**dataset, "limit": 3}) == 3


def test_values_that_json_does_not_know(settings: ClientSettings) -> None:
    day = datetime.date(2026, 11, 23)
    row = {"day": day, "price": Decimal("1.50"), "raw": b"caf\xc3\xa9", "nan": float("nan")}
    dataset = store(settings, "x.parquet", parquet([row]))
    [found] = FileDatasets(settings).rows(dataset)
    assert found == {"day": "2026-11-23", "price": "1.50", "raw": "café", "nan": None}


@pytest.mark.parametrize("pandas", [False, True])
def test_times_are_the_same_with_pandas_and_without(
    settings: ClientSettings, monkeypatch: pytest.MonkeyPatch, pandas: bool
) -> None:
    if not pandas:
        monkeypatch.setitem(sys.modules, "pandas", None)
    moments = pyarrow.array([1_000_000_000, 1_234_567_891], pyarrow.timestamp("ns"))
    file = io.BytesIO()
    write_table(pyarrow.table({"at": moments}), file)
    found = FileDatasets(settings).rows(store(settings, "x.parquet", file.getvalue()))
    assert [row["at"] for row in found] == ["1970-01-01T00:00:01", "1970-01-01T00:00:01.234567"]


def test_a_date_that_python_does_not_know(settings: ClientSettings) -> None:
    file = io.BytesIO()
    write_table(pyarrow.table({"at": pyarrow.array([10**7], pyarrow.date32())}), file)
    with pytest.raises(EvaluationError, match="a date that cannot be read"):
        list(FileDatasets(settings).rows(store(settings, "x.parquet", file.getvalue())))


def test_the_hubs_split(settings: ClientSettings, hub: FakeHub) -> None:
    hub.repos["google/mbpp"] = {
        f"{folder}/{split}-00000-of-00001.parquet": parquet([{"split": f"{folder} {split}"}])
        for folder in ("full", "sanitized")
        for split in ("test", "train")
    }
    dataset = {
        "files_url": "hf://datasets/google/mbpp/full",
        "hf_endpoint": hub.url,
        "split": "test",
    }
    assert list(FileDatasets(settings).rows(dataset)) == [{"split": "full test"}]


def test_from_the_web(settings: ClientSettings) -> None:
    with Endpoint(always=Answer(200, parquet(ROWS))) as endpoint:
        dataset = {"files_url": f"{endpoint.root}/x.parquet"}
        assert list(FileDatasets(settings).rows(dataset)) == ROWS


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 1000 + b"PAR1", b"{}"])
def test_broken_files(content: bytes, settings: ClientSettings) -> None:
    dataset = store(settings, "x.parquet", content)
    for look in (FileDatasets(settings).count, lambda d: list(FileDatasets(settings).rows(d))):
        with pytest.raises(EvaluationError, match=r"x.parquet: it is not Parquet") as e:
            look(dataset)
        assert e.value.kind == "dataset"


def test_a_damaged_file(settings: ClientSettings) -> None:
    whole = bytearray(parquet(ROWS))
    whole[50:2000] = bytes(1950)
    dataset = store(settings, "x.parquet", bytes(whole))
    with pytest.raises(EvaluationError, match=r"x.parquet: it is not Parquet"):
        list(FileDatasets(settings).rows(dataset))


def test_what_to_install(settings: ClientSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    dataset = store(settings, "x.parquet", parquet(ROWS))
    with pytest.raises(EvaluationError, match="pip install pyarrow"):
        FileDatasets(settings).count(dataset)
