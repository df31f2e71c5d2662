"""Notes of collections, on every kind of file system, and what drops the collections."""

from __future__ import annotations

import fcntl
import sys
import threading
import time
from pathlib import Path

import pytest

from evald.clients import leftovers as module
from evald.clients.leftovers import Dropper, Leftovers

DROPPING = """
import json, sys, time
for collection in json.load(sys.stdin)["collections"]:
    if collection == "hangs":
        time.sleep(60)
    print(json.dumps([collection, "no" if collection == "stays" else None]), flush=True)
    time.sleep(0.6)
"""
"""Says what it does with each collection, as what drops them does."""


@pytest.fixture
def leftovers(tmp_path: Path) -> Leftovers:
    return Leftovers(tmp_path / "collections")


def note(leftovers: Leftovers, *collections: str) -> None:
    for collection in collections:
        with leftovers.using(collection, "a"):
            pass


def test_files_are_locked_as_nfs_wants_it(
    leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", fcntl.lockf)
    with leftovers.using("evald_a_0", "a") as noted:
        assert noted.end()
    assert leftovers.idle() == {"evald_a_0": "a"}


def test_who_is_the_last_to_use_a_collection_may_drop_it(leftovers: Leftovers) -> None:
    with leftovers.using("evald_a_0", "a") as one, leftovers.using("evald_a_0", "a") as other:
        assert not one.end()
        assert leftovers.idle() == {}, "the other one uses it"
        assert other.end()
        assert leftovers.idle() == {}
        other.forget()
        other.forget()
    assert leftovers.idle() == {}


def test_a_note_that_stays_locked_is_not_waited_for(
    leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server that was stopped while it looked."""
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    note(leftovers, "evald_a_0")
    with (leftovers._folder / "evald_a_0").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError), leftovers.using("evald_a_0", "a"):
            pass
    note(leftovers, "evald_a_0")


def test_a_note_is_written_anew_when_it_was_forgotten_meanwhile(leftovers: Leftovers) -> None:
    begun, end = threading.Event(), threading.Event()

    def begin() -> None:
        begun.set()
        with leftovers.using("evald_a_0", "a"):
            end.wait(10)

    with leftovers.using("evald_a_0", "a") as ending:
        assert ending.end()
        thread = threading.Thread(target=begin)
        thread.start()
        begun.wait(10)
        time.sleep(0.2)  # it waits for the lock
        ending.forget()
    end.set()
    thread.join()
    assert leftovers.idle() == {"evald_a_0": "a"}


def test_a_note_is_in_no_folder_that_no_server_has(tmp_path: Path) -> None:
    leftovers = Leftovers(tmp_path / "data" / "collections")
    with pytest.raises(FileNotFoundError), leftovers.using("evald_a_0", "a"):
        raise AssertionError
    assert not (tmp_path / "data").exists()


def test_what_is_dropped_before_one_that_hangs_is_forgotten(
    leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", DROPPING))
    monkeypatch.setattr(module, "SILENT_SECONDS", 2.0)
    left = ["a", "b", "stays", "c", "d", "hangs", "z"]
    note(leftovers, *left)
    failed = Dropper("http://milvus", leftovers).drop(left)
    late = "what was to drop it died, or took too long"
    assert failed == {"stays": "no", "hangs": late, "z": late}
    assert set(leftovers.idle()) == set(failed)


def test_what_dies_at_once_drops_nothing(
    leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", "print('what', flush=True)"))
    left = [f"evald_{i}_{'x' * 200}" for i in range(1000)]
    assert set(Dropper("http://milvus", leftovers).drop(left)) == set(left)


def test_what_drops_imports_nothing_from_the_folder_that_the_server_is_in(
    leftovers: Leftovers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pymilvus.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    note(leftovers, "evald_a_0")
    failed = Dropper("http://127.0.0.1:9", leftovers).drop(["evald_a_0"])
    assert "127.0.0.1:9" in failed["evald_a_0"]
    assert "not this one" not in failed["evald_a_0"]
