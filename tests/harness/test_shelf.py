"""What was read of task files is used as long as none of them changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evald.harness import names
from evald.harness.shelf import Shelf

KEPT = {"files": {"sums": "sums.yaml"}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "tasks"
    (folder / "sums").mkdir(parents=True)
    (folder / "sums" / "sums.yaml").write_text("task: sums\n")
    return folder


def add(folder: Path) -> None:
    (folder / "sums" / "more.yaml").write_text("task: more\n")


def rewrite(folder: Path) -> None:
    """To as many bytes, in one nanosecond of the clock."""
    path = folder / "sums" / "sums.yaml"
    before = path.stat().st_mtime_ns
    path.write_text("task: musS\n")
    os.utime(path, ns=(before + 1, before + 1))


def remove(folder: Path) -> None:
    (folder / "sums" / "sums.yaml").unlink()


@pytest.mark.parametrize("change", [add, rewrite, remove])
def test_a_change_of_the_files_makes_it_be_read_anew(
    folder: Path, change: Callable[[Path], None]
) -> None:
    folders = [str(folder)]
    Shelf(folders).put(KEPT)
    assert Shelf(folders).take() == KEPT
    change(folder)
    assert Shelf(folders).take() is None


def test_what_python_compiles_is_no_change(folder: Path) -> None:
    Shelf([str(folder)]).put(KEPT)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "utils.pyc").write_bytes(b"1")
    assert Shelf([str(folder)]).take() == KEPT


def test_folders_have_a_shelf_each(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Shelf([str(folder)]).put(KEPT)
    Shelf([str(other)]).put({"files": {}})
    assert Shelf([str(folder)]).take() == KEPT
    assert Shelf([str(other)]).take() == {"files": {}}


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"stamp": "other", "files": {}}'])
def test_a_file_that_is_cut_or_of_another_time_counts_as_none(
    folder: Path, tmp_path: Path, written: bytes
) -> None:
    Shelf([str(folder)]).put(KEPT)
    [path] = (tmp_path / "cache" / "evald").iterdir()
    path.write_bytes(written)
    assert Shelf([str(folder)]).take() is None


def test_without_a_cache_folder_nothing_is_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    Shelf([str(folder)]).put(KEPT)
    assert Shelf([str(folder)]).take() is None


def test_the_index_is_the_same_read_and_kept(folder: Path) -> None:
    for name, text in {
        "group": "group: all\ntask:\n  - one\n",
        "one": "task: one\ntag: [a, b]\nunsafe_code: true\n",
    }.items():
        (folder / f"{name}.yaml").write_text(text)
    read = names.read_all(names.tasks_below(str(folder)))
    assert (read.groups, read.unsafe, set(read.tags)) == ({"all"}, {"one"}, {"a", "b"})
    shelf = Shelf([str(folder)])
    shelf.put(read.plain())
    kept = shelf.take()
    assert kept is not None
    assert names.Index.of(kept) == read
