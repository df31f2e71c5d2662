"""A model's answer, read from the JSON that its endpoint sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from evald.clients.depth import MAX_DEPTH, is_too_deep
from evald.clients.failure import FailureKind
from evald.clients.redact import snippet
from evald.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` is what the first choice says; `response` the whole document. It took `seconds`, after
    `retries` that failed."""

    text: str
    response: Mapping[str, Any]
    seconds: float = 0.0
    retries: int = 0


def parse(body: bytes | bytearray) -> Reply:
    """Raises EvaluationError of kind `bad_json` or `bad_schema` when the body is no completion."""
    document = read_document(body)
    try:
        choice = document["choices"][0]
        text = _text(choice)
    except (KeyError, IndexError, TypeError, AttributeError):
        lacks = "its first choice has neither `message.content` nor `text`"
        raise unlike(document, "choices", lacks) from None
    return Reply(text, document)


def read_document(body: bytes | bytearray) -> Any:
    """The JSON of an answer. Raises EvaluationError of kind `bad_json` when it is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        document = _lenient(body, e)
    if is_too_deep(document, body):
        raise _wrong(FailureKind.BAD_JSON, f"it is nested more than {MAX_DEPTH} deep")
    return document


def unlike(document: Any, member: str, lacks: str) -> EvaluationError:
    """Why a document has not what is looked for: an error that it reports, or that it has no
    `member`, or what that lacks."""
    if isinstance(document, dict) and document.get("error"):
        error = document["error"]
        said = error.get("message") if isinstance(error, dict) else error
        shown = snippet(str(said).encode(errors="replace"))
        return _wrong(FailureKind.BAD_SCHEMA, f"it reports an error: {shown}")
    if not isinstance(document, dict):
        return _wrong(FailureKind.BAD_SCHEMA, "it is not a JSON object")
    if not document.get(member):
        return _wrong(FailureKind.BAD_SCHEMA, f"it has no `{member}`")
    return _wrong(FailureKind.BAD_SCHEMA, lacks)


def _lenient(body: bytes | bytearray, error: orjson.JSONDecodeError) -> Any:
    """Reads what some servers write and JSON does not know: NaN, as a log probability."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _wrong(FailureKind.BAD_JSON, f"the body is not JSON ({error})") from error


def _text(choice: Mapping[str, Any]) -> str:
    """Raises KeyError or TypeError when a choice is neither a chat's nor a completion's."""
    message = choice.get("message")
    if message is None:
        said = choice["text"]
    elif message.get("tool_calls") or message.get("function_call"):
        said = message.get("content")
    else:
        said = message["content"]
    if said is None:
        # Tool calls come without text, and so does a reply that was cut short while reasoning.
        return ""
    if isinstance(said, list):
        return "".join(part["text"] for part in said if part.get("type", "text") == "text")
    if not isinstance(said, str):
        raise TypeError
    return said


def _wrong(kind: FailureKind, reason: str) -> EvaluationError:
    return EvaluationError(kind.value, f"the endpoint's answer cannot be used: {reason}")
