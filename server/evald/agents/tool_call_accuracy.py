"""Whether an agent called the expected tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evald.agents.conversation import Conversation, ToolCall, calls
from evald.agents.metric import AgentMetric, AgentRow
from evald.judging.metric import Judgement
from evald.metrics.tool_calling import frozen


class ToolCallRow(AgentRow):
    """`reference_tool_calls` are the calls that are expected."""

    user_input: Conversation
    reference_tool_calls: list[ToolCall]


class ToolCallAccuracy(AgentMetric[ToolCallRow]):
    """The part of expected arguments that the agent's calls have, averaged over calls; 0 when the
    tools are not those expected in their order. No judge is asked.

    As RAGAS defines it
    (https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/agents/#tool-call-accuracy).
    """

    type = "tool_call_accuracy"
    range = (0.0, 1.0)
    form = ToolCallRow

    def __init__(self, *, strict_order: bool = True) -> None:
        self._strict_order = strict_order

    async def measure(self, row: ToolCallRow) -> Judgement:
        called, expected = calls(row.user_input), row.reference_tool_calls
        if not self._strict_order:
            called, expected = sorted(called, key=order), sorted(expected, key=order)
        return Judgement(accuracy(called, expected))


def accuracy(called: Sequence[ToolCall], expected: Sequence[ToolCall]) -> float:
    """How far calls are those expected, from 0 to 1."""
    if [call.name for call in called] != [call.name for call in expected]:
        return 0.0
    if not expected:
        return 1.0
    pairs = zip(called, expected, strict=True)
    return sum(matching(one.args, other.args) for one, other in pairs) / len(expected)


def matching(given: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """The part of expected arguments that were given; others that were given do not count, unless
    none were expected."""
    if not expected:
        return float(not given)
    found = sum(key in given and same(given[key], value) for key, value in expected.items())
    return found / len(expected)


def same(one: Any, other: Any) -> bool:
    """Whether two arguments are one JSON value, or read the same, as 3 and "3" do."""
    return frozen(one) == frozen(other) or str(one) == str(other)


def order(call: ToolCall) -> tuple[str, ...]:
    """What calls are sorted by where their order does not count."""
    return call.name, *(part for key in sorted(call.args) for part in (key, str(call.args[key])))
