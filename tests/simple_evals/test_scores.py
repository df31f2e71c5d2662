"""Prompts and scores are those of simple-evals on the same replies; `benchmarks/
simple_evals_scores.py` has written them down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import Model, World

SAID = json.loads(Path(__file__).with_name("simple_evals_scores.json").read_text("utf-8"))
EVALUATIONS = {e["type"]: e for e in SAID["evaluations"]}

TARGET = {"type": "model", "model": {"api_endpoint": {"url": "http://m/v1", "model_id": "m"}}}
JUDGE = {"model": {"api_endpoint": {"url": "http://judge/v1", "model_id": "judge"}}}


def number(text: str) -> int:
    found = re.search(r"#(\d+) ", text)
    assert found
    return int(found[1])


def judged(asked: str, cases: list[Any]) -> str:
    """What the judge said when simple-evals asked."""
    if "gold target" in asked:
        return str(cases[number(asked)]["judge"])
    _, _, given = asked.rpartition("Expression 1: ")
    one, _, other = given.partition("Expression 2: ")
    return "Yes" if one.strip() == other.strip() else "No"


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_prompts_and_scores(kind: str) -> None:
    cases = EVALUATIONS[kind]["cases"]
    prompts: dict[int, str] = {}

    def answer(request: Mapping[str, Any]) -> str:
        asked = request["messages"][-1]["content"]
        if "gold target" in asked or "two expressions" in asked:
            if "asked" in cases[0] and number(asked) == 0:
                assert asked == cases[0]["asked"]
            return judged(asked, cases)
        prompts[number(asked)] = asked
        return str(cases[number(asked)]["reply"])

    world = World(sets={"rows": [case["row"] for case in cases]}, model=Model(answer))
    config = {
        "type": kind,
        "params": {"extra": {"n_samples": 1, "judge": JUDGE}},
        "tasks": {"t": {"dataset": {"files_url": "rows"}}},
    }
    result = world.run(config, TARGET)

    theirs = {number(str(case["row"])): case for case in cases}
    for n, case in theirs.items():
        if "prompt" in case:
            assert prompts[n] == case["prompt"]
    ours = {number(str(s.item)): s.scores["score"]["micro"] for s in world.emit.samples}
    differ = {
        case["reply"]: (ours[n], case["score"])
        for n, case in theirs.items()
        if ours[n] != case["score"]
    }
    assert not differ
    assert 0 < sum(ours.values()) < len(ours)

    expected = EVALUATIONS[kind]["metrics"]
    scores = result["tasks"]["t"]["metrics"]["score"]["scores"]
    assert scores["micro"]["value"] == pytest.approx(expected["score"])
    if "score_macro" in expected:
        assert scores["macro"]["value"] == pytest.approx(expected["score_macro"])
    members = {
        name: task["metrics"]["score"]["scores"]["micro"]["value"]
        for name, task in result["tasks"].items()
        if name != "t"
    }
    others = {n: v for n, v in expected.items() if not n.startswith("score")}
    assert members == pytest.approx(others)
