"""Pairing the samples of two jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from evald.domain.attempts import StoredSample
from evald.domain.comparison import compare
from evald.errors import Conflict

Scores = dict[str, dict[str, float | None]]


class Jobs:
    """Samples of two jobs, `a` and `b`, as streams."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, str], list[StoredSample]] = {}

    def add(self, job: str, index: int, scores: Scores, *, task: str = "qa", **item: Any) -> None:
        text = json.dumps(item or {"q": index})
        sample = StoredSample(task, index, text, None, json.dumps(scores), None, None)
        self.samples.setdefault((job, task), []).append(sample)

    def tasks(self, job_id: str) -> list[str]:
        return [task for job, task in self.samples if job == job_id]

    def read(self, job_id: str, task: str | None = None) -> Iterator[StoredSample]:
        assert task is not None
        yield from sorted(self.samples[job_id, task], key=lambda sample: sample.index)

    def compare(self, one: str = "model", other: str = "model") -> list[dict[str, Any]]:
        kinds = {"a": one, "b": other}
        jobs = [{"id": name, "target": {"type": kind}} for name, kind in kinds.items()]
        return compare(self, *jobs)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


def test_pairs_by_row_number(jobs: Jobs) -> None:
    for index, value in ((0, 1.0), (1, 0.0), (2, 0.0), (5, 1.0)):
        jobs.add("a", index, {"m": {"s": value}})
    for index, value in ((6, 1.0), (5, 1.0), (2, 1.0), (1, 1.0), (3, 0.0)):
        jobs.add("b", index, {"m": {"s": value}})
    [found] = jobs.compare()
    assert (found["task"], found["metric"], found["score"]) == ("qa", "m", "s")
    assert found["pairs"] == 3
    assert found["baseline_mean"] == pytest.approx(1 / 3)
    assert found["candidate_mean"] == 1.0
    assert found["difference"] == pytest.approx(2 / 3)
    assert (found["wins"], found["losses"], found["ties"]) == (2, 0, 1)
    assert found["p_value"] == pytest.approx(0.1835034)


def test_scores_that_both_have_are_compared(jobs: Jobs) -> None:
    for index in range(3):
        jobs.add("a", index, {"m": {"both": 0.5, "mine": 1.0}, "only": {"s": 1.0}})
        jobs.add("b", index, {"m": {"theirs": 1.0, "both": 0.5}, "other": {"s": 1.0}})
        jobs.add("a", index, {"m": {"both": 1.0}}, task="left")
        jobs.add("b", index, {"m": {"both": 1.0}}, task="right")
    [found] = jobs.compare()
    assert (found["metric"], found["score"], found["pairs"]) == ("m", "both", 3)
    assert "p_value" not in found


def test_samples_without_a_value_are_left_out(jobs: Jobs) -> None:
    values = [(1.0, 0.0), (None, 1.0), (1.0, None), (None, None)]
    for index, (one, other) in enumerate(values):
        jobs.add("a", index, {"m": {"s": one}})
        jobs.add("b", index, {"m": {"s": other}})
    jobs.add("a", 4, {})  # it failed
    jobs.add("b", 4, {"m": {"s": 1.0}})
    [found] = jobs.compare()
    assert (found["pairs"], found["losses"]) == (1, 1)


def test_by_task_metric_and_score(jobs: Jobs) -> None:
    for job in "ab":
        for task in ("z", "y"):
            jobs.add(job, 0, {"n": {"s": 1.0}, "m": {"t": 1.0, "s": 1.0}}, task=task)
    names = [(found["task"], found["metric"], found["score"]) for found in jobs.compare()]
    assert names == [(t, *m) for t in "yz" for m in (("m", "s"), ("m", "t"), ("n", "s"))]


def test_nothing_in_common_is_nothing_to_compare(jobs: Jobs) -> None:
    assert jobs.compare() == []
    jobs.add("a", 0, {"m": {"s": 1.0}})
    assert jobs.compare() == []
    jobs.add("b", 1, {"m": {"s": 1.0}})
    assert jobs.compare() == []


def test_other_questions_are_left_out(jobs: Jobs) -> None:
    jobs.add("a", 0, {"m": {"s": 1.0}}, q="one", n=[1])
    jobs.add("b", 0, {"m": {"s": 0.0}}, n=[1.0], q="one")  # the same in other words
    jobs.add("a", 1, {"m": {"s": 1.0}}, q="two")
    jobs.add("b", 1, {"m": {"s": 0.0}}, q="three")
    [found] = jobs.compare()
    assert found["pairs"] == 1


def test_other_questions_altogether_are_refused(jobs: Jobs) -> None:
    for job in "ab":
        jobs.add(job, 0, {"m": {"s": 1.0}}, q=f"of {job}")
    with pytest.raises(Conflict, match="different rows"):
        jobs.compare()


@pytest.mark.parametrize("kind", ["rows", "dataset", "cached_outputs"])
def test_rows_that_hold_the_answers_differ(jobs: Jobs, kind: str) -> None:
    for job in "ab":
        jobs.add(job, 0, {"m": {"s": float(job == "b")}}, q="same", answer=f"of {job}")
    for kinds in ((kind, kind), (kind, "model"), ("model", kind)):
        [found] = jobs.compare(*kinds)
        assert (found["pairs"], found["wins"]) == (1, 1)


def test_streams_are_read_side_by_side(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    count = {"a": 0, "b": 0}

    def read(job_id: str, task: str | None = None) -> Iterator[StoredSample]:
        for index in range(1000):
            count[job_id] += 1
            assert abs(count["a"] - count["b"]) <= 1
            yield StoredSample("qa", index, "{}", None, '{"m":{"s":1}}', None, None)

    monkeypatch.setattr(jobs, "read", read)
    monkeypatch.setattr(jobs, "tasks", lambda job_id: ["qa"])
    [found] = jobs.compare()
    assert (found["pairs"], found["ties"]) == (1000, 1000)
