"""Tool calls, compared with those that were expected."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import orjson

from evald.errors import EvaluationError
from evald.jsons import loads
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.templates import Templates

Call = tuple[str, Hashable | None]
"""Name and arguments of a call; None for arguments that cannot be read."""


class ToolCallingParams(MetricParams):
    """`tool_calls_ground_truth` gives the calls that are expected, a list of
    `{"function": {"name", "arguments"}}`."""

    tool_calls_ground_truth: str | list[Any]


class ToolCalling(Metric):
    """Whether the model called the expected functions, and whether with the expected arguments.

    Names and calls are compared as sets, so that neither their order nor repetition counts, and
    arguments as JSON values. A reply without calls scores 0, unless none were expected. Arguments
    that are not JSON leave `function_name_and_args_accuracy` without a value.
    """

    type = "tool-calling"
    range = (0.0, 1.0)
    Params = ToolCallingParams

    def __init__(self, params: ToolCallingParams, templates: Templates) -> None:
        self._truth = templates.compile(params.tool_calls_ground_truth, "tool_calls_ground_truth")

    def score(self, context: Mapping[str, Any]) -> Scored:
        expected = calls(self._expected(context), self._truth.place)
        given = calls(called(context), "the model's reply")
        names = {name for name, _ in given} == {name for name, _ in expected}
        same = None if any(arguments is None for _, arguments in given) else given == expected
        return Scored(
            {
                "function_name_accuracy": float(names),
                "function_name_and_args_accuracy": None if same is None else float(same),
            }
        )

    def _expected(self, context: Mapping[str, Any]) -> list[Any]:
        value = self._truth.value(context)
        if isinstance(value, str):  # a template that was not told `| tojson`
            try:
                value = loads(value)
            except orjson.JSONDecodeError:
                raise self._wrong("no JSON; end its text in '| tojson'") from None
        if not isinstance(value, list):
            raise self._wrong("no list of calls")
        return value

    def _wrong(self, given: str) -> EvaluationError:
        return EvaluationError("template", f"{self._truth.place} gives {given}")


def called(context: Mapping[str, Any]) -> list[Any]:
    """The calls of the model's first choice."""
    response = (context.get("sample") or {}).get("response")
    match response:
        case {"choices": [{"message": {"tool_calls": [*found]}}, *_]}:
            return list(found)
        case {"choices": [_, *_]}:
            return []
    raise EvaluationError("metric", "tool-calling needs a model's reply to a chat request")


def calls(found: list[Any], place: str) -> set[Call]:
    """Names and arguments of calls. Raises EvaluationError of kind `metric`."""
    return {(name(call, place), arguments(call["function"])) for call in found}


def name(call: Any, place: str) -> str:
    match call:
        case {"function": {"name": str(found)}}:
            return found
    raise EvaluationError("metric", f"{place}: {call!r:.80} is no call of a function by its name")


def arguments(function: Mapping[str, Any]) -> Hashable | None:
    """Expected arguments are an object, those of a model a JSON text."""
    given = function.get("arguments") or {}
    if isinstance(given, str):
        try:
            given = loads(given)
        except orjson.JSONDecodeError:
            return None
    return frozen(given)


def frozen(value: Any) -> Hashable:
    """A JSON value that can be in a set; 1 is 1.0, but not true."""
    match value:
        case Mapping():
            return frozenset((key, frozen(member)) for key, member in value.items())
        case list():
            return tuple(frozen(entry) for entry in value)
        case bool():
            return ("boolean", value)
    return value  # type: ignore[no-any-return]
