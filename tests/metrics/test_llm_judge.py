"""The judge: what it is asked, how its replies are read, and what is made of odd ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.metrics.verdict import Parser, ScoreParams, Unparsed
from evald.templates import Templates, context_of
from tests.metrics.conftest import Judge

RATING = {"type": "regex", "pattern": r"RATING:\s*(\d+)"}
INT = {"type": "int", "parser": RATING}
ROW = {"ideal": "Paris", "answer": "It is Paris."}


def params(**given: Any) -> dict[str, Any]:
    base = {"model": "judge", "template": "Rate {{ answer }}.", "scores": {"s": INT}}
    return {**base, **given}


@pytest.mark.parametrize(
    ("score", "reply", "value"),
    [
        (INT, "I like it.\nRATING: 7\nRATING: 3", 7.0),
        ({"parser": {"type": "regex", "pattern": "[0-9.]+"}}, "about 0.5 or so", 0.5),
        ({"type": "number"}, '{"s": 0.25}', 0.25),
        ({"type": "integer"}, 'Well:\n```json\n{"s": "4"}\n```\nSo be it.', 4.0),
        # Of several objects the last one counts: what a judge quotes comes before its verdict.
        ({"type": "int"}, 'I say {x} and {"s": 3} for {"s": 5}.', 5.0),
        ({"type": "int"}, 'The answer claims {"s": 5}, which is false.\n{"s": 1}', 1.0),
        ({"type": "int"}, 'It claims\n```json\n{"s": 5}\n```\nwhich is false. {"s": 1}', 1.0),
        ({"type": "int"}, 'So: {"s": 1, "why": {"s": 5}, "said": "{}"} Next: {"t": 2}', 1.0),
        ({"type": "int"}, "{" * 5000 + '{"s": 1}', 1.0),
        ({"type": "int"}, '<think>maybe {"s": 5}</think>{"s": 1}', 1.0),
        ({"type": "int"}, 'maybe {"s": 5}\n</think>\n\n```json\n{"s": 1}\n```', 1.0),
        ({"type": "int"}, '{"why": "it says </think>", "s": 1}', 1.0),
        # A tag that is quoted ends no thoughts: one in an object, or with nothing after it.
        ({"type": "int"}, '```json\n{"why": "a stray </think> tag", "s": 1}\n```', 1.0),
        ({"type": "int"}, '{"s": 1}\n\nThe answer ends in </think>\n', 1.0),
        ({"type": "int"}, '{"s": 1} It ends in "</think>".', 1.0),
        ({"type": "int"}, '<think>{"s": 5}</think>{"why": "</think>", "s": 1} So.', 1.0),
        (
            {"type": "int"},
            '<think>{"why": "</think>", "s": 5}</think>{"s": 1} after </think>',
            1.0,
        ),
        ({"type": "int"}, '[{"s": 5}, {"s": 1}]', 1.0),
        (INT, "<think>RATING: 5?</think>RATING: 1", 1.0),
        (INT, '{"why": "</think>"}\nRATING: 1', 1.0),
        (INT, 'RATING: 1 {"why": "</think>"} So.', 1.0),
        (
            {"type": "int", "parser": {**RATING, "method": "match"}},
            "<think>x</think>\n\nRATING: 1",
            1.0,
        ),
        ({"type": "int", "parser": {"json_path": "$.a.b[1]"}}, '{"a": {"b": [1, 2]}}', 2.0),
        ({"type": "bool"}, '{"s": true}', 1.0),
        ({"type": "boolean", "parser": {"type": "regex", "pattern": r"\w+"}}, "No.", 0.0),
        ({"type": "rubric", "rubric": {"good": 1, "bad": -1}}, '{"s": " Good"}', 1.0),
        (
            {"type": "rubric", "rubric": [{"label": "fair", "value": 0.5, "description": "so so"}]},
            '{"s": "fair"}',
            0.5,
        ),
    ],
)
def test_values(score: Any, reply: str, value: float) -> None:
    assert ScoreParams.model_validate(score).read("s", reply) == {"s": value}


@pytest.mark.parametrize(
    ("score", "reply", "words"),
    [
        (INT, "I cannot say.", "nothing in it matches"),
        (
            {"type": "int", "parser": {**RATING, "method": "match"}},
            "It is RATING: 3",
            "nothing in it matches",
        ),
        ({"type": "int"}, '{"s": 3.5}', "no whole number"),
        ({"type": "float"}, '{"s": "NaN"}', "no number"),
        ({"type": "float"}, '{"s": true}', "no number"),
        ({"type": "float"}, '{"s": 1' + "0" * 400 + "}", "no number"),
        ({"type": "float"}, '{"t": 1}', "its JSON has no 's'"),
        ({"type": "float"}, "{" * 5000, "no JSON object"),
        ({"type": "float"}, "5", "no JSON object"),
        ({"type": "float"}, '<think>maybe {"s": 5}', "no JSON object"),
        ({"type": "float"}, '<think>{"s": 5}</think>I cannot say.', "no JSON object"),
        ({"type": "float"}, '<think>{"s": 5}</think>\n', "no JSON object"),
        ({"type": "float"}, '<think>It says {"why": "</think>", "s": 5}.', "no JSON object"),
        ({"type": "float"}, '["s", 5]', "no JSON object"),
        (INT, "<think>RATING: 5?", "nothing in it matches"),
        (INT, "<think>RATING: 5?</think>\n", "nothing in it matches"),
        ({"type": "float", "minimum": 1, "maximum": 5}, '{"s": 6}', "more than 5"),
        ({"type": "float", "minimum": 1}, '{"s": 0}', "less than 1"),
        ({"type": "bool"}, '{"s": "perhaps"}', "neither true nor false"),
        ({"type": "rubric", "rubric": {"good": 1}}, '{"s": "bad"}', "none of good"),
    ],
)
def test_what_a_reply_does_not_say(score: Any, reply: str, words: str) -> None:
    with pytest.raises(Unparsed, match=words):
        ScoreParams.model_validate(score).read("s", reply)


def test_labels_are_shares(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = ['{"tone": "warm"}', '{"tone": "cold"}', '{"tone": "Warm"}']
    tone = {"type": "string", "labels": ["warm", "cold"]}
    scores = score("llm-judge", params(scores={"tone": tone}), ROW, ROW, ROW)
    assert {k: s["value"] for k, s in scores.items()} == {
        "tone.warm": pytest.approx(2 / 3),
        "tone.cold": pytest.approx(1 / 3),
    }


def test_a_reply_that_does_not_parse_is_no_zero(
    board: Callable[..., Scoreboard], judge: Judge
) -> None:
    judge.replies = ["RATING: 4", "Hm.", "RATING: 2"]
    result = board("llm-judge", params(), ROW, ROW, ROW).result("t")
    found = result["metrics"]["m"]["scores"]["s"]
    assert (found["value"], found["stats"]["count"], found["stats"]["nan_count"]) == (3.0, 2, 1)
    assert result["data"] == {"errors": {"judge": 1}}


def test_one_score_of_two_is_kept(board: Callable[..., Scoreboard], judge: Judge) -> None:
    judge.replies = ["RATING: 4"]
    scores = {"s": INT, "t": {"type": "int", "parser": {"type": "regex", "pattern": "T: (.)"}}}
    result = board("llm-judge", params(scores=scores), ROW).result("t")
    assert result["metrics"]["m"]["scores"]["s"]["value"] == 4.0
    assert result["metrics"]["m"]["scores"]["t"]["value"] is None
    assert result["data"] == {"errors": {"judge": 1}}


def test_when_no_reply_parses_the_task_fails(
    board: Callable[..., Scoreboard], judge: Judge
) -> None:
    judge.replies = ["Hm."]
    with pytest.raises(EvaluationError, match="s: nothing in it matches") as e:
        board("llm-judge", params(), ROW).result("t")
    assert e.value.kind == "judge"


def test_replies_are_kept(judge: Judge) -> None:
    judge.replies = ["Hm. " * 10_000]
    found = asyncio.run(scoring(judge, params(), ROW))
    assert found.notes == {"m": [("Hm. " * 10_000)[: 8 * 1024]]}
    assert found.error["kind"] == "judge"


async def scoring(judge: Judge, given: dict[str, Any], row: dict[str, Any]) -> Any:
    metrics = make_metrics({"m": {"type": "llm-judge", "params": given}}, Templates(), "metrics")
    async with AsyncExitStack() as opened:
        metrics["m"].open(judge, {}, opened)
        return await Scoreboard(metrics).score(context_of(row))


def test_repeats_tell_the_spread(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = [f"RATING: {n}" for n in (2, 4, 6, 5, 5, 5)]
    scores = score("llm-judge", params(repeats=3), ROW, ROW)
    assert {k: s["value"] for k, s in scores.items()} == {"s": 4.5, "s_stddev": 1.0}
    assert len(judge.requests) == 6


def test_what_was_not_read_is_counted_in_every_score(
    score: Callable[..., Any], judge: Judge
) -> None:
    judge.replies = [f"RATING: {n}" for n in (2, 4, 3, 3)] + ["RATING: 2", "Hm.", "RATING: 2"] * 2
    swap = ["item.one", "item.other"]
    given = params(repeats=2, swap=swap, scores={"s": {**INT, "minimum": 1, "maximum": 5}})
    scored = score("llm-judge", given, *[{**ROW, "one": 1, "other": 2}] * 2)
    counts = {k: (s["stats"]["count"], s["stats"]["nan_count"]) for k, s in scored.items()}
    assert counts == dict.fromkeys(("s", "s_consistency", "s_stddev"), (1, 1))


def test_grades_that_happen_to_be_0_and_1_are_no_shares(
    score: Callable[..., Any], judge: Judge
) -> None:
    judge.replies = ["RATING: 1", "RATING: 1", "RATING: 0"] * 2
    whole = {"s": {**INT, "minimum": 0, "maximum": 5}}
    [found] = score("llm-judge", params(scores=whole), ROW, ROW, ROW).values()
    assert (found["interval"]["method"], found["interval"]["low"]) == ("t", 0.0)
    shares = {"s": {"type": "rubric", "rubric": {"0": 0, "1": 1}, "parser": RATING}}
    [found] = score("llm-judge", params(scores=shares), ROW, ROW, ROW).values()
    assert found["interval"]["method"] == "wilson"


def test_what_asks_on_is_ended(board: Callable[..., Scoreboard], judge: Judge) -> None:
    """When one of several requests has failed, the others would be asked and paid for nothing."""
    ended = []

    async def ask(request: Mapping[str, Any]) -> Any:
        if not ended:
            ended.append(False)
            raise EvaluationError("http", "401")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    judge.ask = ask  # type: ignore[method-assign]
    with pytest.raises(EvaluationError, match="401"):
        asyncio.run(scoring(judge, params(repeats=3), ROW))
    assert ended == [False, True, True]


def test_swapping_turns_verdicts_round(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = ["RATING: 5", "RATING: 2", "RATING: 4", "RATING: 4"]
    given = params(
        template="First: {{ sample.output_text }} Second: {{ baseline }}",
        scores={"s": {**INT, "minimum": 1, "maximum": 5}},
        swap=["sample.output_text", "item.baseline"],
    )
    row = {"answer": "mine", "baseline": "theirs"}
    scores = score("llm-judge", given, row, row)
    asked = [request["messages"][0]["content"] for request in judge.requests]
    assert asked[:2] == ["First: mine Second: theirs", "First: theirs Second: mine"]
    # 5, and 2 turned round is 4; 4, and 4 turned round is 2
    assert {k: s["value"] for k, s in scores.items()} == {"s": 3.75, "s_consistency": 0.0}
    judge.requests.clear()
    judge.replies = ["RATING: 5", "RATING: 1"]
    assert score("llm-judge", given, row)["s_consistency"]["value"] == 1.0


def test_a_field_to_swap_that_is_not_there(judge: Judge) -> None:
    given = params(
        template="{{ one }}", swap=["one", "two"], scores={"s": {"type": "bool", "parser": RATING}}
    )
    with pytest.raises(EvaluationError, match="no field 'two'"):
        asyncio.run(scoring(judge, given, {"one": 1}))


def test_structured_output_is_asked_for(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = ['{"s": 3, "ok": true}']
    scores = {"s": {"type": "int", "minimum": 1, "maximum": 5}, "ok": {"type": "bool"}}
    found = score("llm-judge", params(scores=scores), ROW)
    assert {k: s["value"] for k, s in found.items()} == {"s": 3.0, "ok": 1.0}
    [request] = judge.requests
    schema = request["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {
        "s": {"type": "integer", "minimum": 1, "maximum": 5},
        "ok": {"type": "boolean"},
    }
    assert schema["required"] == ["s", "ok"]


def test_an_endpoint_without_structured_output(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = [EvaluationError("http", "400"), '{"s": 3}', '{"s": 4}']
    scores = {"s": {"type": "int"}}
    assert score("llm-judge", params(scores=scores), ROW, ROW)["s"]["value"] == 3.5
    assert ["response_format" in request for request in judge.requests] == [True, False, False]


@pytest.mark.parametrize("said", [True, False])
def test_what_is_said_of_structured_output_holds(
    score: Callable[..., Any], judge: Judge, said: bool
) -> None:
    scores = {"s": {"type": "int"}}
    judge.replies = [EvaluationError("http", "400") if said else '{"s": 3}']
    given = params(scores=scores, structured_output=said)
    if said:
        with pytest.raises(EvaluationError, match="400"):
            score("llm-judge", given, ROW)
    else:
        score("llm-judge", given, ROW)
    assert [("response_format" in request) for request in judge.requests] == [said]


def test_thoughts_do_not_count(score: Callable[..., Any], judge: Judge) -> None:
    judge.replies = ["RATING: 1? No. </think> RATING: 4"]
    prompt = {
        "system_prompt": "You judge.",
        "reasoning_params": {"end_token": "</think>", "effort": "low"},
        "inference_params": {"temperature": 0, "max_retries": 7, "request_timeout": 9},
    }
    model = {"api_endpoint": {"url": "http://judge/v1", "model_id": "j"}, "prompt": prompt}
    assert score("llm-judge", params(model=model), ROW)["s"]["value"] == 4.0
    assert judge.opened == [(model, {"parallelism": 4, "max_retries": 7, "request_timeout": 9})]
    [request] = judge.requests
    assert request == {
        "temperature": 0,
        "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "You judge."},
            {"role": "user", "content": "Rate It is Paris.."},
        ],
    }


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"template": None}, "template"),
        ({"template": "{{ oh"}, "template"),
        ({"scores": {}}, "scores"),
        ({"scores": {"s": {"type": "int", "parser": {"type": "regex"}}}}, "scores.s.parser"),
        (
            {"scores": {"s": {"parser": {"type": "regex", "pattern": "("}}}},
            "scores.s.parser.pattern",
        ),
        ({"scores": {"s": {"type": "rubric"}}}, "scores.s"),
        ({"scores": {"s": {"type": "string"}}}, "scores.s"),
        ({"scores": {"s": {"type": "text"}}}, "scores.s.type"),
        ({"repeats": 0}, "repeats"),
        ({"swap": ["a"]}, "swap.1"),
        ({"swap": ["a", "b"]}, "scores.s"),
        ({"modell": "x"}, "modell"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(given: dict[str, Any], field: str) -> None:
    config = {"m": {"type": "llm-judge", "params": params(**given)}}
    with pytest.raises(InvalidArgument) as e:
        make_metrics(config, Templates(), "tasks.t.metrics")
    assert f"tasks.t.metrics.m.params.{field}" in {v.field for v in e.value.violations}


@pytest.mark.parametrize(
    "pattern",
    ["(", "a{1,4294967295}", "a{99999999999999}", "x" * 1001],
)
def test_patterns_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern") as caught:
        Parser.model_validate({"type": "regex", "pattern": pattern})
    assert "regular expression" in str(caught.value) or "longer than" in str(caught.value)
