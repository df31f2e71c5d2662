"""Calls of tools in what a model writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|$)", re.DOTALL)
"""How models trained on the templates of Hermes and Qwen write calls."""


def calls_in(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The text beside the calls, and the calls as OpenAI's API has them: those in `<tool_call>`
    tags, or all of a text that is nothing but JSON of calls, as Llama 3 writes it."""
    tagged = TAGGED.findall(text)
    found = [call for part in tagged for call in _calls(part)]
    if tagged and len(found) >= len(tagged):
        return TAGGED.sub("", text).strip(), found
    if whole := _calls(text):
        return "", whole
    return text, []


def _calls(text: str) -> list[dict[str, Any]]:
    """The calls that a JSON text is; none if anything in it is not one."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return []
    listed = said if isinstance(said, list) else [said]
    calls = []
    for one in listed:
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
            return []
        arguments = one.get("arguments", one.get("parameters"))
        if not isinstance(arguments, Mapping):
            return []
        function = {"name": one["name"], "arguments": json.dumps(arguments, ensure_ascii=False)}
        calls.append({"id": f"call_{uuid4().hex}", "type": "function", "function": function})
    return calls
