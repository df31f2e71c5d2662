"""Tool calls, and what is made of odd ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evald.errors import EvaluationError

PARAMS = {"tool_calls_ground_truth": "{{ item.calls | tojson }}", "model": "ignored"}
NAMES, ARGUMENTS = "function_name_accuracy", "function_name_and_args_accuracy"


def replied(*calls: tuple[str, Any]) -> dict[str, Any]:
    """A model's reply that calls functions; arguments are texts there."""
    made = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    return {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": made}}]}


def expected(*calls: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]


@pytest.mark.parametrize(
    ("given", "wanted", "names", "arguments"),
    [
        ([("f", '{"a": 1}')], [("f", {"a": 1})], 1.0, 1.0),
        ([("f", '{"a": 1.0}')], [("f", {"a": 1})], 1.0, 1.0),
        ([("f", '{"a": true}')], [("f", {"a": 1})], 1.0, 0.0),
        ([("f", '{"a": "1"}')], [("f", {"a": 1})], 1.0, 0.0),
        ([("f", '{"a": [1, {"b": null}]}')], [("f", {"a": [1, {"b": None}]})], 1.0, 1.0),
        ([("f", '{"a": 100000000000000000000}')], [("f", {"a": 10**20})], 1.0, 1.0),
        ([("f", '{"a": 100000000000000000001}')], [("f", {"a": 10**20})], 1.0, 0.0),
        ([("f", '{"a": [2, 1]}')], [("f", {"a": [1, 2]})], 1.0, 0.0),
        ([("g", "{}"), ("f", "")], [("f", {}), ("g", {})], 1.0, 1.0),
        ([("f", "{}"), ("f", "{}")], [("f", {})], 1.0, 1.0),
        ([("f", "{}")], [("F", {})], 0.0, 0.0),
        ([("f", "{}")], [("f", {}), ("g", {})], 0.0, 0.0),
        ([], [("f", {})], 0.0, 0.0),
        ([], [], 1.0, 1.0),
        ([("f", '{"a": ')], [("f", {"a": 1})], 1.0, None),
        ([("f", '{"a": 1}')], [("f", '{"a": 1}')], 1.0, 1.0),
    ],
)
def test_calls(
    score: Callable[..., Any], given: Any, wanted: Any, names: float, arguments: float | None
) -> None:
    row = {"calls": expected(*wanted), "answer": "", "response": replied(*given)}
    scores = score("tool-calling", PARAMS, row)
    assert {name: found["value"] for name, found in scores.items()} == {
        NAMES: names,
        ARGUMENTS: arguments,
    }
    assert scores[ARGUMENTS]["stats"]["nan_count"] == (arguments is None)


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ({"calls": "f", "response": replied()}, "template", "no JSON"),
        ({"calls": {"f": 1}, "response": replied()}, "template", "no list"),
        ({"calls": [{"name": "f"}], "response": replied()}, "metric", "no call of a function"),
        ({"calls": [], "response": {"choices": []}}, "metric", "needs a model's reply"),
        ({"calls": [], "response": None}, "metric", "needs a model's reply"),
    ],
)
def test_what_cannot_be_compared(
    score: Callable[..., Any], row: dict[str, Any], kind: str, words: str
) -> None:
    with pytest.raises(EvaluationError, match=words) as e:
        score("tool-calling", PARAMS, {**row, "answer": ""})
    assert e.value.kind == kind


def test_truth_that_is_written_out(score: Callable[..., Any]) -> None:
    row = {"answer": "", "response": replied(("f", "{}"))}
    params = {"tool_calls_ground_truth": expected(("f", {}))}
    assert score("tool-calling", params, row)[ARGUMENTS]["value"] == 1.0
