"""Calls of tools, as models write them."""

from __future__ import annotations

import json

import pytest

from evald.local.tools import calls_in

ADD = '{"name": "add", "arguments": {"a": 1, "b": [2]}}'
LLAMA = '{"name": "add", "parameters": {"a": 1, "b": [2]}}'


@pytest.mark.parametrize(
    ("said", "text", "count"),
    [
        (f"<tool_call>\n{ADD}\n</tool_call>", "", 1),
        (
            f"Let me add.\n<tool_call>{ADD}</tool_call>\n<tool_call>{ADD}</tool_call>",
            "Let me add.",
            2,
        ),
        (f"<tool_call>\n{ADD}", "", 1),
        (LLAMA, "", 1),
        (f"[{ADD}, {LLAMA}]", "", 2),
    ],
)
def test_calls(said: str, text: str, count: int) -> None:
    left, calls = calls_in(said)
    assert left == text
    assert len(calls) == count
    assert len({call["id"] for call in calls}) == count
    for call in calls:
        assert call["function"]["name"] == "add"
        assert json.loads(call["function"]["arguments"]) == {"a": 1, "b": [2]}


@pytest.mark.parametrize(
    "said",
    [
        "It is 3.",
        "",
        "[]",
        '{"name": "add"}',
        '{"name": 5, "arguments": {}}',
        "<tool_call>add(1, 2)</tool_call>",
        f"<tool_call>{ADD}</tool_call><tool_call>broken</tool_call>",
        '{"sum": 3}',
    ],
)
def test_what_is_no_call_stays_text(said: str) -> None:
    assert calls_in(said) == (said, [])
