"""Prompt optimisation: a model that does as the instruction says, and one that does not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept
from evald.flows.optimizer import Split
from evald.flows.prompt_optimization import groups_of
from evald.flows.signature import Signature
from tests.flows.conftest import thinker

TARGET = {"type": "model", "model": "m"}
CHECK = ["absolute difference", "{{ item.rating }}", "{{ rating }}", "epsilon", 0]


def config(**optimizer: Any) -> dict[str, Any]:
    base = {"type": "miprov2", "instruction": "Rate it.", "signature": "text -> rating: int"}
    return {
        "type": "custom",
        "params": {"parallelism": 4, "temperature": 0},
        "tasks": {
            "t": {
                "type": "prompt-optimization",
                "dataset": {"files_url": "rows"},
                "params": {"optimizer": {**base, **optimizer}},
                "metrics": {"number-check": {"type": "number-check", "params": {"check": CHECK}}},
            }
        },
    }


def rows(count: int) -> list[dict[str, Any]]:
    return [{"text": "x" * (i % 5 + 1), "rating": i % 5 + 1} for i in range(count)]


def last(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def obedient(request: Mapping[str, Any]) -> str:
    """Proposes to count when it is shown rows, and counts when it is told to; else says 1."""
    if "Write a better instruction" in last(request):
        return "Count the letters." if "exactly what each value" in last(request) else "Be nice."
    told = request["messages"][0]["content"]
    return f"rating: {last(request).count('x') - 1 if 'Count' in told else 1}"


def test_a_better_instruction_is_found(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": rows(50)}, model=model_of(obedient))
    result = world.run(config(max_labeled_demos=0, max_bootstrapped_demos=0), TARGET)
    task = result["tasks"]["t"]
    scores = task["metrics"]["number-check"]["scores"]
    assert scores["baseline"]["stats"]["count"] == scores["optimized"]["stats"]["count"] == 40
    assert 0.1 <= scores["baseline"]["value"] <= 0.3
    assert scores["optimized"]["value"] == 1.0
    assert task["data"]["baseline_prompt"].startswith("Rate it.\n\nAnswer in this form")
    assert task["data"]["optimized_prompt"].startswith("Count the letters.\n\nAnswer in this form")
    assert [sample.index for sample in world.emit.samples[40:]] == list(range(40, 80))
    done, total = world.emit.steps[-1]
    assert done <= total
    assert {request["temperature"] for request in world.model.requests[:40]} == {0}


def test_examples_are_found_and_none_of_them_is_judged(world_of: Any, model_of: Any) -> None:
    """A model that knows only what its examples tell."""

    def imitate(request: Mapping[str, Any]) -> str:
        messages = request["messages"]
        if "Write a better instruction" in last(request):
            return "Imitate."
        for asked, answered in zip(messages[1:-1:2], messages[2:-1:2], strict=True):
            if asked["content"] == last(request):
                return str(answered["content"])
        return "rating: 0"

    world = world_of(sets={"rows": rows(50)}, model=model_of(imitate))
    task = world.run(config(max_labeled_demos=8, seed=1, auto="medium"), TARGET)["tasks"]["t"]
    scores = task["metrics"]["number-check"]["scores"]
    assert scores["baseline"]["value"] == 0.0
    assert scores["optimized"]["value"] >= 0.8
    assert task["data"]["optimized_prompt"].count("text: x") == 8


def test_the_same_seed_finds_the_same(world_of: Any, model_of: Any) -> None:
    found = []
    for _ in range(2):
        world = world_of(sets={"rows": rows(20)}, model=model_of(obedient))
        found.append(world.run(config(seed=5), TARGET))
    assert found[0] == found[1]


def test_replies_that_cannot_be_read_are_no_scores(world_of: Any, model_of: Any) -> None:
    def mumble(request: Mapping[str, Any]) -> str:
        return "None." if "xxx" in last(request) else obedient(request)

    world = world_of(sets={"rows": rows(50)}, model=model_of(mumble))
    scores = world.run(config(), TARGET)["tasks"]["t"]["metrics"]["number-check"]["scores"]
    unread = sum("xxx" in sample.item["text"] for sample in world.emit.samples[:40])
    assert scores["baseline"]["stats"]["nan_count"] == unread
    assert scores["baseline"]["stats"]["count"] == 40 - unread


def test_usage_is_that_of_all_that_was_asked(world_of: Any, model_of: Any) -> None:
    def mumble(request: Mapping[str, Any]) -> str:
        return "None." if "xxx" in last(request) else obedient(request)

    world = world_of(sets={"rows": rows(50)}, model=model_of(mumble))
    data = world.run(config(), TARGET)["tasks"]["t"]["data"]
    unread = sum(s.error is not None for s in world.emit.samples)
    assert data["errors"] == {"response": unread}
    assert 0 < data["usage"]["samples"] <= len(world.model.requests)
    read = world_of(sets={"rows": rows(50)}, model=model_of(obedient))
    data = read.run(config(), TARGET)["tasks"]["t"]["data"]
    assert data["usage"]["samples"] == len(read.model.requests)
    assert data["usage"]["total_tokens"] == 3 * len(read.model.requests)


def test_of_enough_rows_some_only_tell_how_good_the_prompt_is(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": rows(200)}, model=model_of(obedient))
    task = world.run(config(max_labeled_demos=0, max_bootstrapped_demos=0), TARGET)["tasks"]["t"]
    assert task["data"]["held_out"]
    scores = task["metrics"]["number-check"]["scores"]
    assert scores["baseline"]["stats"]["count"] == scores["optimized"]["stats"]["count"] == 80
    assert scores["optimized"]["value"] == 1.0
    few = world_of(sets={"rows": rows(50)}, model=model_of(obedient))
    assert not few.run(config(), TARGET)["tasks"]["t"]["data"]["held_out"]


def test_samples_of_the_optimized_prompt_are_not_the_baselines(
    world_of: Any, model_of: Any
) -> None:
    """An attempt may die when it has reported both."""
    world = world_of(sets={"rows": rows(50)}, model=model_of(obedient))
    result = world.run(config(max_labeled_demos=0, max_bootstrapped_demos=0), TARGET)
    kept = [Kept(s.index, s.scores, s.parts, s.error) for s in world.emit.samples]
    again = world_of(sets={"rows": rows(50)}, model=model_of(obedient), kept=kept)
    resumed = again.run(config(max_labeled_demos=0, max_bootstrapped_demos=0), TARGET)
    assert resumed["tasks"]["t"]["metrics"] == result["tasks"]["t"]["metrics"]


def test_an_attempt_goes_on_with_the_prompt_of_its_samples(world_of: Any, model_of: Any) -> None:
    """Samples that are stored stay, so they must be of the prompt whose scores are told."""

    def duller(request: Mapping[str, Any]) -> str:
        return "Be nice." if "better instruction" in last(request) else obedient(request)

    asked = config(max_labeled_demos=2, max_bootstrapped_demos=0)
    world = world_of(sets={"rows": rows(50)}, model=model_of(obedient))
    task = world.run(asked, TARGET)["tasks"]["t"]
    kept = [Kept(s.index, s.scores, s.parts, s.error, s.sample) for s in world.emit.samples[:60]]
    again = world_of(sets={"rows": rows(50)}, model=model_of(duller), kept=kept)
    resumed = again.run(asked, TARGET)["tasks"]["t"]
    assert resumed["metrics"] == task["metrics"]
    assert resumed["data"]["optimized_prompt"] == task["data"]["optimized_prompt"]
    assert [s.index for s in again.emit.samples] == list(range(60, 80))
    assert len(again.model.requests) == 20


def test_what_comes_out_may_have_the_name_of_the_response(world_of: Any, model_of: Any) -> None:
    given = config(signature="text -> response: int", max_labeled_demos=0, max_bootstrapped_demos=0)
    check = ["absolute difference", "{{ item.rating }}", "{{ response }}", "epsilon", 0]
    given["tasks"]["t"]["metrics"]["number-check"]["params"]["check"] = check
    world = world_of(
        sets={"rows": [{**row, "response": row["rating"]} for row in rows(50)]},
        model=model_of(lambda r: obedient(r).replace("rating", "response")),
    )
    task = world.run(given, TARGET)["tasks"]["t"]
    assert task["metrics"]["number-check"]["scores"]["optimized"]["value"] == 1.0
    assert task["data"]["usage"]["total_tokens"] == 3 * len(world.model.requests)


def test_clusters_are_not_split(world_of: Any, model_of: Any) -> None:
    clustered = [{**row, "page": i // 5} for i, row in enumerate(rows(250))]
    given = config(max_labeled_demos=0, max_bootstrapped_demos=0)
    given["tasks"]["t"]["params"]["cluster"] = "page"
    world = world_of(sets={"rows": clustered}, model=model_of(obedient))
    assert world.run(given, TARGET)["tasks"]["t"]["data"]["held_out"]
    judged = [s.item["page"] for s in world.emit.samples]
    assert {judged.count(page) for page in judged} == {2 * 5}
    split = Split.of(groups_of(clustered, "page"), 0)
    parts = (split.examples, split.choosing, split.judging)
    assert [len(part) for part in parts] == [50, 100, 100]
    pages = [{clustered[i]["page"] for i in part} for part in parts]
    assert len(set.union(*pages)) == sum(map(len, pages)) == 50
    assert pages[2] == set(judged)


@pytest.mark.parametrize("count", [2, 7, 50, 200])
def test_rows_without_clusters_are_split_as_ever(count: int) -> None:
    order = random.Random(3).sample(range(count), count)
    split = Split.of(groups_of(rows(count), None), 3)
    judging = order[count // 5 :]
    half = len(judging) // 2 if len(judging) >= 100 else 0
    assert split.examples == sorted(order[: count // 5])
    assert split.judging == sorted(judging[half:])
    assert split.choosing == (sorted(judging[:half]) if half else split.judging)
    assert split.held_out == (half > 0)
    assert Split.of(groups_of(rows(count), "missing"), 3) == split


def test_one_cluster_is_not_held_out() -> None:
    split = Split.of([[*range(300)]], 0)
    assert (split.examples, split.held_out, len(split.judging)) == ([], False, 300)


def test_too_few_rows(world_of: Any, model_of: Any) -> None:
    world = world_of(sets={"rows": rows(1)}, model=model_of(obedient))
    with pytest.raises(EvaluationError, match="has 1 rows"):
        world.run(config(), TARGET)


@pytest.mark.parametrize(
    ("optimizer", "field"),
    [
        ({"signature": "text"}, "signature"),
        ({"signature": "text -> rating: list"}, "signature"),
        ({"signature": "text -> a b"}, "signature"),
        ({"signature": "q -> seconds"}, "signature"),
        ({"signature": "q -> answer, retries: int"}, "signature"),
        ({"signature": "q -> usage"}, "signature"),
        ({"signature": "q -> optimized_prompt"}, "signature"),
        ({"type": "gepa"}, "type"),
        ({"auto": "huge"}, "auto"),
    ],
)
def test_what_is_wrong_is_told(world: Any, optimizer: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        world.run(config(**optimizer), TARGET)
    assert [v.field for v in e.value.violations] == [f"tasks.t.params.optimizer.{field}"]


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ("rating: 4\nwhy: it is good", {"rating": 4, "why": "it is good"}),
        ("**Rating:** 4/5\n- why: `so`", {"rating": 4, "why": "so"}),
        ("why: a\nRATING: -2.0 or so", {"rating": -2, "why": "a"}),
    ],
)
def test_replies_are_read(reply: str, values: Any) -> None:
    signature = Signature.parse("text -> rating: int, why", "signature")
    assert signature.read(reply) == values


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("score: .5", 0.5), ("score: -.25", -0.25), ("score: 1,250 or so", 1250.0),
        ("score: 1e-3", 1e-3), ("score: 12,5", 12.0), ("score: +7.", 7.0),
        ("<think>\nscore: 2, maybe?\n</think>\nscore: 5", 5.0),
    ],
)  # fmt: skip
def test_numbers_are_read(reply: str, value: float) -> None:
    assert Signature.parse("text -> score: float", "signature").read(reply) == {"score": value}


def test_the_model_is_asked_as_it_says(world_of: Any, model_of: Any) -> None:
    """With its parameters and, where the prompt is none, its system prompt, and without its
    thoughts; what bounds answers does not cut instructions short."""
    target = thinker(top_p=0.5)

    def thinking(request: Mapping[str, Any]) -> str:
        return f"rating: 9</t>{obedient(request)}"

    world = world_of(sets={"rows": rows(20)}, model=model_of(thinking))
    given = config()
    given["params"]["max_tokens"] = 5
    task = world.run(given, target)["tasks"]["t"]
    assert task["metrics"]["number-check"]["scores"]["optimized"]["value"] == 1.0
    assert "Count the letters." in str(task["data"]["optimized_prompt"])
    proposals = [r for r in world.model.requests if "Write a better" in last(r)]
    answers = [r for r in world.model.requests if "Write a better" not in last(r)]
    assert proposals
    assert all(r["messages"][0]["content"] == "You are X." for r in proposals)
    asked = [
        {(r["top_p"], r.get("temperature"), r["max_tokens"]) for r in part}
        for part in (answers, proposals)
    ]
    assert asked == [{(0.5, 0, 5)}, {(0.5, None, 2048)}]


@pytest.mark.parametrize("reply", ["rating: four\nwhy: x", "4", "rating: 4.5\nwhy: x"])
def test_replies_that_are_not_in_form(reply: str) -> None:
    with pytest.raises(EvaluationError) as e:
        Signature.parse("text -> rating: int, why", "signature").read(reply)
    assert e.value.kind == "response"


def test_one_field_needs_no_name() -> None:
    assert Signature.parse("a, b -> ok: bool", "s").read(" Yes ") == {"ok": True}
