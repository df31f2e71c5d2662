"""The checker finds what it is there to find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.robustness.checker import History, violations

JOB = {
    "id": "j", "status": "completed", "attempt": 1, "failures": 0, "worker": None,
    "lease_until": None, "devices": None,
}  # fmt: skip
SCORE = {"value": 1.0, "stats": {"count": 2}}
RESULT = {"t": {"metrics": {"m": {"scores": {"s": SCORE}}}}}


def path(*states: str) -> list[dict[str, Any]]:
    attempt, events = 0, []
    for state in states:
        attempt += state == "running"
        events.append({"status": state, "attempt": attempt})
    return events


GOOD = History(
    jobs={"j": JOB},
    events={"j": path("created", "running", "completed")},
    samples={"j": [{"task": "t", "index": i, "attempt": 1} for i in range(2)]},
    results={"j": [{"tasks": RESULT}]},
)


def job(**changes: Any) -> dict[str, Any]:
    return {"jobs": {"j": {**JOB, **changes}}}


def test_what_may_be() -> None:
    assert violations(GOOD, {"j"}, rows=2) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jobs": {}, "events": {}}, "acknowledged, and lost"),
        ({"events": {"j": path("running", "completed")}}, "its first event is running"),
        ({"events": {"j": path("created", "completed")}}, "from created to completed"),
        (
            {"events": {"j": path("created", "running", "completed", "completed")}},
            "ended more than once",
        ),
        ({"events": {"j": path("created", "running")}}, "its last event is not"),
        (job(status="running", worker="w"), "still running"),
        (job(worker="w"), "still has its lease"),
        (job(devices="[0]"), "still has its lease"),
        (job(attempt=2), "attempts are out of order"),
        ({"samples": {"j": GOOD.samples["j"][:1]}}, "with 1 of 2 samples"),
        ({"samples": {"j": [*GOOD.samples["j"], GOOD.samples["j"][0]]}}, "is there 2 times"),
        (
            {"samples": {"j": [{**s, "attempt": 2} for s in GOOD.samples["j"]]}},
            "an attempt that never was",
        ),
        ({"results": {}}, "without a result"),
        ({"results": {"j": [{"tasks": RESULT}] * 2}}, "2 results"),
        (
            {
                **job(status="failed"),
                "events": {"j": path("created", "running", "failed")},
            },
            "did not complete",
        ),
        (
            {
                **job(status="failed"),
                "events": {"j": path("created", "running", "failed")},
            },
            "it is failed, and has a result",
        ),
    ],
)
def test_what_may_not_be(changes: Mapping[str, Any], words: str) -> None:
    found = violations(replace(GOOD, **changes), {"j"}, rows=2)
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    "score", [{"value": 0.5, "stats": {"count": 2}}, {**SCORE, "stats": {"count": 3}}]
)
def test_wrong_numbers(score: Any) -> None:
    result = {"t": {"metrics": {"m": {"scores": {"s": score}}}}}
    found = violations(replace(GOOD, results={"j": [{"tasks": result}]}), {"j"}, rows=2)
    assert found == [f"j: its score is {score['value']} of {score['stats']['count']} samples"]
