"""BFCL on its own questions, beside the scores of bfcl-eval for the same answers."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from demo.model import NAME
from demo.model import Model as Served
from evald.bfcl import dataset, package
from evald.bfcl.categories import ALL, CATEGORIES, GROUPS
from evald.bfcl.leaderboard import Accuracy, summaries
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.flow import Kept
from tests.bfcl import upstream
from tests.bfcl.mutations import expected, mutated

TARGET = {"type": "model", "model": "m"}
PARSED = json.loads((Path(__file__).parents[1] / "bfcl" / "parsed_calls.json").read_text())
READ = {case["text"]: case["calls"] for case in PARSED["cases"]}
WRITTEN = {case["question"]: case["text"] for case in PARSED["cases"] if "question" in case}

FEW = 6
"""Questions of each category."""


def config(kind: str = "bfclv3", asked: str = "", **params: Any) -> dict[str, Any]:
    tasks = {"qa": {"type": asked}} if asked else None
    return {"type": kind, "params": params, "tasks": tasks}


def message(calls: list[Any]) -> dict[str, Any]:
    """Native calls."""
    functions = [
        {"name": name.replace(".", "_"), "arguments": json.dumps(arguments)}
        for call in calls
        for name, arguments in call.items()
    ]
    return {"tool_calls": [{"type": "function", "function": f} for f in functions]}


def text(calls: list[Any]) -> str:
    parts = [
        f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
        for call in calls
        for name, arguments in call.items()
    ]
    return f"[{', '.join(parts)}]"


def student(native: bool, rng: random.Random) -> Any:
    """A model that knows the questions, and is right about every other one."""
    rows = {str(row["question"][0][-1]): row for row in dataset.packaged(ALL, FEW)}

    def answer(request: Mapping[str, Any]) -> Any:
        row = rows[str(request["messages"][-1])]
        category = CATEGORIES[row["category"]]
        if category.language != "python" and not native:
            others = [key for key in WRITTEN if key.startswith(category.source)]
            return WRITTEN[rng.choice((row["id"], rng.choice(others)))]
        calls: list[Any] = []
        if category.language != "python":
            calls = READ[WRITTEN[row["id"]]] or []
        elif "relevance" not in category.form:
            calls = expected(row, native, rng)
        elif rng.random() < 0.5:
            calls = [{row["function"][0]["name"]: {}}]
        calls = mutated(calls, rng) if rng.random() < 0.5 else calls
        if not calls:
            return rng.choice(("I cannot do that.", "[]", ""))
        return message(calls) if native else text(calls)

    return answer


def graded(item: Mapping[str, Any], sample: Mapping[str, Any], native: bool) -> bool:
    """What bfcl-eval says of an answer."""
    category = CATEGORIES[item["category"]]
    if native:
        reply = {"tool_calls": [], **sample["response"]["choices"][0]["message"]}
        return upstream.verdict(item, reply, category, native)
    if category.language != "python":
        calls = READ[sample["output_text"]] or []
        return bool(upstream.right(item, calls, category, native))
    return upstream.verdict(item, sample["output_text"], category, native)


def values(result: Mapping[str, Any], task: str = "qa") -> dict[str, float]:
    return {
        name: metric["scores"][name]["value"]
        for name, metric in result["tasks"][task]["metrics"].items()
    }


@pytest.mark.parametrize(
    ("kind", "native"), [("bfclv3_ast", True), ("bfclv2_ast_prompting", False)]
)
def test_every_category(world_of: Any, model_of: Any, kind: str, native: bool) -> None:
    world = world_of(model=model_of(student(native, random.Random(kind))))
    result = world.run(config(kind, limit_samples=FEW), TARGET)
    grades: dict[str, list[bool]] = {}
    for record in world.emit.samples:
        grade = graded(record.item, record.sample, native)
        assert record.scores == {record.item["category"]: {record.item["category"]: grade}}
        grades.setdefault(record.item["category"], []).append(grade)
    assert grades.keys() == CATEGORIES.keys()
    found = values(result, kind)
    assert found == {k: fmean(g) for k, g in grades.items()}
    assert 0.2 < fmean(found.values()) < 0.95
    stats = result["tasks"][kind]["metrics"]["parallel"]["scores"]["parallel"]["stats"]
    assert (stats["count"], stats["nan_count"]) == (FEW, 0)
    scores = result["groups"]["bfcl"]["metrics"]
    accuracies = {name: Accuracy(value, FEW) for name, value in found.items()}
    assert {k: m["scores"][k]["value"] for k, m in scores.items()} == summaries(accuracies)
    for name, metric in scores.items():
        score = metric["scores"][name]
        assert score["interval"]["low"] < score["value"] < score["interval"]["high"]
    overall = scores["overall"]["scores"]["overall"]
    assert overall["stats"]["stderr"] == pytest.approx(closed_form(found), rel=0.12)
    for request in world.model.requests:
        assert ("tools" in request) is native
        assert request["temperature"] == 0.001
        assert native or request["messages"][0]["role"] == "system"
    assert world.emit.steps[-1] == (13 * FEW, 13 * FEW)


def closed_form(found: Mapping[str, float]) -> float:
    """The standard error of `overall`, of FEW questions of each category: each accuracy has the
    variance of a share, and weighs as the formula says."""
    weights = {
        **dict.fromkeys(("simple", "java", "javascript"), 1 / 36),
        **dict.fromkeys(("multiple", "parallel", "parallel_multiple"), 1 / 12),
        **dict.fromkeys((name for name in CATEGORIES if name.startswith("live_")), 1 / 12),
        **dict.fromkeys(("irrelevance", "live_irrelevance"), 1 / 6),
        "live_relevance": 0.0,
    }
    return sum(w * w * found[k] * (1 - found[k]) / FEW for k, w in weights.items()) ** 0.5


def test_categories_of_several_tasks_count_once(world_of: Any, model_of: Any) -> None:
    world = world_of(model=model_of(student(False, random.Random(1))))
    asked = config("bfclv3", limit_samples=FEW)
    alone = {"a": {"type": "irrelevance"}, "b": {"type": "live_irrelevance"}}
    once = world.run({**asked, "tasks": alone}, TARGET)["groups"]["bfcl"]
    world = world_of(model=model_of(student(False, random.Random(1))))
    twice = {**alone, "c": {"type": "irrelevance"}}
    assert world.run({**asked, "tasks": twice}, TARGET)["groups"]["bfcl"] == once


def test_scores_and_intervals_are_of_the_same_task(world_of: Any, model_of: Any) -> None:
    """A category of which a task has no value counts in the next that has."""
    knows, failed = student(False, random.Random(2)), set()

    def answer(request: Mapping[str, Any]) -> Any:
        asked = str(request["messages"][-1])
        if asked in irrelevant and asked not in failed:
            failed.add(asked)
            raise EvaluationError("timeout", "it took too long")
        return knows(request)

    packaged = dataset.packaged([CATEGORIES["irrelevance"]], FEW)
    irrelevant = {str(row["question"][0][-1]) for row in packaged}
    world = world_of(model=model_of(answer))
    tasks = {"a": {"type": "all"}, "b": {"type": "irrelevance"}}
    result = world.run({**config(limit_samples=FEW), "tasks": tasks}, TARGET)
    assert len(failed) == FEW
    for name, metric in result["groups"]["bfcl"]["metrics"].items():
        score = metric["scores"][name]
        assert score["interval"]["low"] <= score["value"] <= score["interval"]["high"]
    assert {"irrelevance", "overall"} <= result["groups"]["bfcl"]["metrics"].keys()


def test_what_models_are_asked(world: Any) -> None:
    """Prompts and tools of every question are bfcl-eval's."""
    utils = upstream.module("model_handler.utils")
    from evald.bfcl.functions import request_of

    for row in dataset.packaged(ALL, 60):
        category = CATEGORIES[row["category"]]
        functions = package.explained(row["function"], category)
        native = request_of(row, category, True)
        assert native == {"messages": row["question"][0], "tools": upstream.tools(functions)}
        messages = json.loads(json.dumps(row["question"][0]))
        told = utils.system_prompt_pre_processing_chat_model(messages, functions, row["id"])
        assert request_of(row, category, False) == {"messages": told}


def test_summaries_are_the_leaderboards(tmp_path: Path) -> None:
    rng = random.Random(4)
    found = {name: Accuracy(rng.random(), rng.randrange(10, 1000)) for name in CATEGORIES}
    told = dict.fromkeys(("display_name", "url", "org", "license"), "m")
    upstream.MODELS["m"] = SimpleNamespace(**told, input_price=None, output_price=None)
    table = {
        CATEGORIES[name].source: {
            "accuracy": a.value, "total_count": a.count, "display_accuracy": a.value
        }
        for name, a in found.items()
    }  # fmt: skip
    upstream.module("eval_checker.eval_runner_helper").generate_leaderboard_csv(
        {"m": table}, tmp_path
    )

    def shown(file: str, column: str) -> float:
        with (tmp_path / f"data_{file}.csv").open() as opened:
            [row] = csv.DictReader(opened)
        return float(row[column].rstrip("%")) / 100

    ours = summaries(found)
    theirs = {
        "non_live_ast": shown("non_live", "AST Summary"),
        "live_ast": shown("live", "AST Summary"),
        "irrelevance": shown("overall", "Irrelevance Detection"),
        "overall": shown("overall", "Overall Acc") / 0.3,
    }
    assert ours == pytest.approx(theirs, abs=2e-4)
    assert summaries({name: found[name] for name in ("simple", "multiple")}) == {}


@pytest.mark.parametrize(
    ("asked", "reply", "value"),
    [
        ("irrelevance", "None of the functions can do that.", 1.0),
        ("irrelevance", "[]", 1.0),
        ("irrelevance", "[f(x=1)]", 0.0),
        ("live_irrelevance", {"tool_calls": []}, 1.0),
        ("live_irrelevance", message([{"f": {}}]), 0.0),
        ("live_relevance", message([{"f": {}}]), 1.0),
        ("live_relevance", "[f()]", 1.0),
        ("live_relevance", "I cannot do that.", 0.0),
        ("simple_python", "I cannot do that.", 0.0),
        ("simple", {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, 0.0),
        ("simple", f"[f(x=0x{'F' * 4000})]", 0.0),
    ],
)
def test_replies(world_of: Any, model_of: Any, asked: str, reply: Any, value: float) -> None:
    world = world_of(model=model_of(lambda request: reply))
    extra = {"native_calling": not isinstance(reply, str)}
    result = world.run(config("bfcl", asked, limit_samples=3, extra=extra), TARGET)
    assert values(result) == {asked: value}
    [opened] = world.model.opened
    assert opened[1]["parallelism"] == 5
    assert len(world.model.requests) == 3
    note = world.emit.samples[0].sample["notes"][asked]
    assert (note["mistake"] is None) is (value == 1.0)


def test_an_answer_that_does_not_come(world_of: Any, model_of: Any) -> None:
    """It counts in its own category, and is no wrong answer."""

    failing = [row["question"][0][-1] for row in dataset.packaged([CATEGORIES["simple"]], 1)]

    def answer(request: Mapping[str, Any]) -> str:
        if request["messages"][-1] in failing:
            raise EvaluationError("timeout", "it took too long")
        return "[f()]"

    world = world_of(model=model_of(answer))
    result = world.run(config(asked="non_live", limit_samples=2, parallelism=1), TARGET)
    task = result["tasks"]["qa"]
    stats = {name: m["scores"][name]["stats"] for name, m in task["metrics"].items()}
    assert (stats.pop("simple")["count"], task["data"]["errors"]) == (1, {"timeout": 1})
    assert {(s["count"], s["nan_count"]) for s in stats.values()} == {(2, 0)}
    assert "non_live_ast" in result["groups"]["bfcl"]["metrics"]


def test_resumes(world_of: Any, model_of: Any) -> None:
    kept = [Kept(index, {"parallel": {"parallel": 1.0}}) for index in (0, 2)]
    world = world_of(model=model_of(lambda request: "no"), kept=kept)
    result = world.run(config(asked="parallel", limit_samples=5), TARGET)
    assert values(result) == {"parallel": 2 / 5}
    assert [s.index for s in world.emit.samples] == [1, 3, 4]
    assert len(world.model.requests) == 3


NATIVE = [
    {"id": "simple_0", "question": [[{"role": "user", "content": "Book two."}]], "function": [
        {"name": "hotel.book", "parameters": {"type": "dict", "properties": {
            "seats": {"type": "integer"}, "by": {"type": "string"}}, "required": ["seats"]}}]},
    {"id": "parallel_0", "question": [[{"role": "user", "content": "No."}]], "function": []},
    {"id": "simple_0", "ground_truth": [{"hotel.book": {"seats": [2], "by": ["now", ""]}}]},
]  # fmt: skip

OPENAI = {
    "messages": [{"role": "user", "content": "Book for Ann, 12.5 m, [1, 2]."}],
    "tools": [{"type": "function", "function": {"name": "book", "parameters": {
        "type": "object", "required": ["who"], "properties": {
            "who": {"type": "object"}, "size": {"type": "number"}, "many": {"type": "array"},
            "odd": {"type": ["integer", "null"]}, "all": {"type": "array", "items": {
                "type": "object"}}}}}}],
    "tool_calls": [{"function": {"name": "book", "arguments": {
        "who": {"name": "Ann"}, "size": 12.5, "many": [1, 2], "odd": 3, "all": [{"a": 1}]}}}],
}  # fmt: skip


def own(rows: list[Any], asked: str = "simple", **params: Any) -> dict[str, Any]:
    given = config("bfclv3_ast", asked, **params)
    given["tasks"]["qa"]["dataset"] = {"files_url": "mine"}
    return given


def test_own_questions_as_bfcl_has_them(world_of: Any, model_of: Any) -> None:
    reply = message([{"hotel.book": {"seats": 2}}])
    world = world_of({"mine": NATIVE}, model_of(lambda request: reply))
    assert values(world.run(own(NATIVE), TARGET)) == {"simple": 1.0}
    [request] = world.model.requests
    function = request["tools"][0]["function"]
    assert function["name"] == "hotel_book"
    assert function["parameters"]["type"] == "object"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({}, 1.0),
        ({"who": {"name": "ANN."}}, 1.0),
        ({"who": {"name": "Bo"}}, 0.0),
        ({"size": 12}, 0.0),
        ({"many": [2, 1]}, 0.0),
        ({"odd": "3"}, 0.0),
        ({"all": [{"a": 2}]}, 0.0),
        ({"more": 1}, 0.0),
    ],
)
def test_own_questions_as_openai_has_them(
    world_of: Any, model_of: Any, change: Mapping[str, Any], value: float
) -> None:
    calls = OPENAI["tool_calls"]
    arguments = {**calls[0]["function"]["arguments"], **change}
    reply = message([{"book": arguments}])
    world = world_of({"mine": [OPENAI]}, model_of(lambda request: reply))
    assert values(world.run(own([OPENAI]), TARGET)) == {"simple": value}
    assert world.model.requests[0]["tools"] == OPENAI["tools"]
    world = world_of({"mine": [OPENAI]}, model_of(lambda request: text([{"book": arguments}])))
    words = own([OPENAI], extra={"native_calling": False})
    assert values(world.run(words, TARGET)) == {"simple": value}


@pytest.mark.parametrize(
    ("given", "value"), [({"x": "a", "y": ""}, 1.0), ({"x": "a"}, 0.0), ({"x": "a", "y": "b"}, 0.0)]
)
def test_an_empty_text_that_is_expected_has_to_be_given(
    world_of: Any, model_of: Any, given: Any, value: float
) -> None:
    """To BFCL an empty text among right values says that the argument may be left out."""
    texts = {name: {"type": "string"} for name in "xy"}
    function = {"name": "f", "parameters": {"type": "object", "properties": texts}}
    row = {
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": function}],
        "tool_calls": [{"function": {"name": "f", "arguments": {"x": "a", "y": ""}}}],
    }
    world = world_of({"mine": [row]}, model_of(lambda request: message([{"f": given}])))
    assert values(world.run(own([row]), TARGET)) == {"simple": value}


def wrong_rows() -> Iterator[Any]:
    question, _, answer = NATIVE
    yield [question], "simple needs the calls that are right"
    yield [{**question, "question": []}, answer], "mine, line 1: it has no messages"
    yield [{**question, "question": question["question"] * 2}, answer], "several turns"
    yield [{**question, "function": "f"}, answer], "it has no functions"
    yield [answer], "no questions .* of simple"
    yield [question, answer, answer], "mine, line 3: another right answer has the id 'simple_0'"
    yield [question, {"ground_truth": []}], "mine, line 2: a right answer needs the 'id'"
    yield [question, {**answer, "ground_truth": [{"other": {}}]}], "no call of one of its functions"
    yield [question, {**answer, "ground_truth": [{"hotel.book": {"seats": 2}}]}], "a list of right"
    yield [question, {**answer, "ground_truth": answer["ground_truth"] * 2}], "one right call"
    yield [{**OPENAI, "tools": [{}]}], "its tools or tool_calls cannot be read"
    yield [{**OPENAI, "tool_calls": None}], "simple needs the calls that are right"


@pytest.mark.parametrize(("rows", "told"), list(wrong_rows()))
def test_own_questions_that_are_wrong(world_of: Any, rows: Any, told: str) -> None:
    with pytest.raises(EvaluationError, match=told) as e:
        world_of({"mine": rows}).run(own(rows), TARGET)
    assert e.value.kind == "dataset"


def test_own_questions_of_a_group(world_of: Any, model_of: Any) -> None:
    """Their ids tell the category."""
    world = world_of({"mine": NATIVE[:1] + NATIVE[2:]}, model_of(lambda request: "no"))
    assert values(world.run(own(NATIVE, "ast"), TARGET)) == {"simple": 0.0}
    with pytest.raises(EvaluationError, match="no category begins its id"):
        world_of({"mine": [OPENAI]}).run(own([OPENAI], "ast"), TARGET)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("rest", "web services"),
        ("exec_simple", "web services"),
        ("multi_turn_base", "simulated services"),
        ("web_search", "search engine"),
        ("memory_kv", "memory"),
        ("simpel", "did you mean 'simple'"),
    ],
)
def test_categories_that_cannot_be_asked(world: Any, asked: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told) as e:
        world.run(config(asked=asked), TARGET)
    assert [v.field for v in e.value.violations] == ["tasks.qa.type"]


def test_a_config_that_is_wrong(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "missing", lambda: "pip install it")
    given = config(parallelism=0, extra={"native_calling": "sometimes"})
    with pytest.raises(InvalidArgument) as e:
        world.run({**given, "tasks": {"qa": {"metrics": {"m": {"type": "em"}}}}}, TARGET)
    fields = {"params.parallelism", "type", "tasks.qa.metrics"}
    assert {v.field for v in e.value.violations} == fields
    with pytest.raises(InvalidArgument, match="native_calling"):
        world.run(config(extra={"native_calling": "sometimes"}), TARGET)


def test_groups_have_every_category() -> None:
    assert set(GROUPS["live"]) | set(GROUPS["non_live"]) == set(ALL) == set(GROUPS["ast"])
    assert {c.name for c in GROUPS["non_python"]} == {"java", "javascript"}


def test_a_real_model(world_of: Any, model_of: Any, tmp_path: Path) -> None:
    """Its answers in words are graded as bfcl-eval grades them."""
    with Served(tmp_path / "log") as served:

        def answer(request: Mapping[str, Any]) -> Any:
            url, body = f"{served.url}/chat/completions", {"model": NAME, **request}
            reply = requests.post(url, json=body, timeout=60).json()
            return reply["choices"][0]["message"]

        world = world_of(model=model_of(answer))
        asked = config(asked="simple", limit_samples=1, max_tokens=32)
        found = values(world.run(asked, TARGET))
    verdicts = [graded(r.item, r.sample, False) for r in world.emit.samples]
    assert all(r.sample["output_text"] for r in world.emit.samples)
    assert found == {"simple": fmean(verdicts)}
