"""The folders of attempts, and servers that were stopped and go on in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import orjson
import pytest

from evald.errors import LeaseLost
from evald.executor import events, output
from evald.executor.attempt import Attempt
from evald.executor.runs import LOG_PATH, Clearer, Runs
from evald.executor.sweeper import Sweeper
from tests.executor.bench import Bench, Script, scored


def test_an_attempt_goes_on_with_what_the_one_before_has_left(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    (runs.take("j", 1) / "index").write_text("first")
    (runs.take("j", 3) / "index").write_text("third")
    assert (runs.take("j", 4) / "index").read_text() == "third"
    assert [path.name for path in (tmp_path / "j").iterdir()] == ["4"]
    runs.leave("j", 4)
    assert not (tmp_path / "j").exists()


def test_the_folder_of_a_later_attempt_is_not_taken_or_deleted(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.take("j", 1)
    later = runs.take("j", 2)
    with pytest.raises(LeaseLost):
        runs.take("j", 1)
    runs.leave("j", 1)
    assert later.exists()


def test_a_folder_that_is_being_deleted_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(tmp_path)
    (runs.take("j", 1) / "index").write_text("first")
    taken = []
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        rename(path, target)
        taken.append(runs.take("j", 2))
        return target

    monkeypatch.setattr(Path, "rename", renamed)
    runs.leave("j", 1)
    assert [list(folder.iterdir()) for folder in taken] == [[]]
    assert [path.name for path in (tmp_path / "j").iterdir()] == ["2"]


def test_of_jobs_that_are_over_the_log_stays(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for job_id in ("runs", "cancelled", "empty"):
        for attempt in (2, 3):
            folder = runs.take(job_id, attempt)
            (folder / "index").write_text("large")
    for job_id in ("runs", "cancelled"):
        (tmp_path / job_id / "3" / LOG_PATH).parent.mkdir()
        (tmp_path / job_id / "3" / LOG_PATH).write_text("said")
        (tmp_path / job_id / "left-x" / "run").mkdir(parents=True)
        (tmp_path / job_id / "3" / "link").symlink_to(tmp_path)
    (tmp_path / "notes.txt").write_text("somebody's")
    before = files(tmp_path / "runs")
    sweeper = Sweeper(lambda jobs: set(jobs) - {"runs"}, Clearer(runs))
    assert sweeper.sweep()
    assert files(tmp_path / "runs") == before
    assert files(tmp_path / "cancelled") == ["3", "3/logs", "3/logs/job.log"]
    assert not (tmp_path / "empty").exists()
    assert (tmp_path / "notes.txt").exists()
    assert runs.jobs() == ["runs"]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_log_is_that_of_the_last_attempt(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    assert runs.log("j") is None
    for attempt in (9, 10, 11):
        (tmp_path / "j" / str(attempt) / LOG_PATH).parent.mkdir(parents=True)
    for attempt in (9, 10):
        (tmp_path / "j" / str(attempt) / LOG_PATH).touch()
    assert runs.log("j") == tmp_path / "j" / "10"


class Stopped:
    """An attempt of a server that stops at a failpoint of `output`, until it is told to go on."""

    def __init__(self, attempt: Attempt, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._there, self._go_on = Event(), Event()
        self._thread = threading.Thread(target=attempt.run)

        def failpoint(name: str) -> None:
            if name == place and threading.current_thread() is self._thread:
                self._there.set()
                assert self._go_on.wait(20)

        monkeypatch.setattr(output, "failpoint", failpoint)
        self._thread.start()
        assert self._there.wait(10)

    def go_on(self) -> None:
        self._go_on.set()
        self._thread.join(10)


Make = Callable[[Callable[[Script], Iterator[events.Event]]], Bench]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def make(say: Callable[[Script], Iterator[events.Event]]) -> Bench:
        made.append(Bench(tmp_path, say, gpus="none"))
        return made[-1]

    yield make
    for bench in made:
        bench.store.close()


def test_a_server_that_stopped_after_it_published_leaves_the_next_attempt_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end = Event(), Event()

    def say(run: Script) -> Iterator[events.Event]:
        if run.spec.attempt == 2:
            begun.set()
            assert end.wait(20)
        yield events.Done({"tasks": {}})

    b = make(say)
    job_id = b.create()
    stopped = Stopped(b.claimed(job_id, "w"), "publish.after_commit", monkeypatch)
    b.store.queue.rescue(worker="w")
    thread = threading.Thread(target=b.claimed(job_id, "another").run)
    thread.start()
    assert begun.wait(10)
    stopped.go_on()
    end.set()
    thread.join(10)
    job = b.store.jobs.get(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert not (b.settings.data_dir / "runs" / job_id).exists()


def test_a_server_that_stopped_after_its_claim_leaves_nothing(make: Make) -> None:
    b = make(lambda run: iter([events.Done({"tasks": {}})]))
    job_id = b.create()
    stopped = b.claimed(job_id, "w")
    b.store.queue.rescue(worker="w")
    b.claimed(job_id, "another").run()
    stopped.run()
    assert b.store.jobs.get(job_id)["status"] == "completed"
    assert not (b.settings.data_dir / "runs" / job_id).exists()


def test_a_server_that_stopped_after_its_claim_leaves_the_next_attempts_files(make: Make) -> None:
    begun, end = Event(), Event()

    def say(run: Script) -> Iterator[events.Event]:
        begun.set()
        assert end.wait(20)
        yield events.Done({"tasks": {}})

    b = make(say)
    job_id = b.create()
    first = b.claimed(job_id, "w")
    b.store.samples.record(first.fence, [scored(0)], first._standing)
    b.store.queue.rescue(worker="w")
    stopped = b.claimed(job_id, "w")
    b.store.queue.rescue(worker="w")
    last = b.claimed(job_id, "another")
    thread = threading.Thread(target=last.run)
    thread.start()
    assert begun.wait(10)
    kept = (b.settings.data_dir / "runs" / job_id / "3" / "kept.jsonl").read_bytes()
    b.store.samples.record(last.fence, [scored(1)], last._standing)
    stopped.run()
    assert (b.settings.data_dir / "runs" / job_id / "3" / "kept.jsonl").read_bytes() == kept
    end.set()
    thread.join(10)
    assert orjson.loads(kept)["index"] == 0
