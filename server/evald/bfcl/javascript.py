"""Values of JavaScript, written as texts, as BFCL reads them. What cannot be read stays a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TYPES: Mapping[str, type] = {
    "String": str,
    "integer": int,
    "float": float,
    "Bigint": int,
    "Boolean": bool,
    "dict": dict,
    "array": list,
    "any": str,
}

NUMBERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    "integer": (re.compile(r"-?\d+$"), int),
    "float": (re.compile(r"-?\d+(\.\d+)?$"), float),
    "Bigint": (re.compile(r"-?\d+n$"), lambda text: int(text.rstrip("\n")[:-1])),
}

ARRAYS = re.compile(
    r"\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|\bnew\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\)"
)
FLAT_ARRAYS = re.compile(
    r"\[\s*\[[^]\n]*\]\s*(?:,\s*\[[^]\n]*\]\s*)*+\]"
    r"|\bnew\s+Array\(\s*\[[^]\n]*\]\s*(?:,\s*\[[^]\n]*\]\s*)*+\)"
)
"""What ARRAYS finds first, if it is there."""

MANY = 12
"""Arrays in arrays, in which ARRAYS would look for ever."""

ARRAY = re.compile(r"\[(.*?)\]|\bnew\s+Array\((.*?)\)")
OBJECT = re.compile(r"\{(.*?)\}")
PAIR = re.compile(r"([^:]+):\s*(.*?)(?:,\s*(?=[^,]+:)|$)")


def value(text: str, kind: str, entries: str | None = None) -> Any:
    """The value of a text that is of a type in TYPES. `entries` is the type of an array's."""
    if kind in NUMBERS:
        pattern, number = NUMBERS[kind]
        return number(text) if pattern.match(text) else text
    match kind:
        case "String":
            return text[1:-1] if quoted(text) else text
        case "Boolean":
            return {"true": True, "false": False}.get(text, text)
        case "dict":
            return obj(text)
        case "array":
            return array(text, entries)
    return text


def quoted(text: str) -> bool:
    return any(text.startswith(q) and text.endswith(q) for q in "\"'")


def array(text: str, entries: str | None = None) -> Any:
    text = text.strip()
    found = FLAT_ARRAYS.match(text)
    if not found and text.count("]") <= MANY:
        found = ARRAYS.match(text)
    if found:
        parts = [part.strip() for part in re.findall(r"\[(.*?)\]", found[0])]
        parts[0] = parts[0].removeprefix("[")
        return [[untyped(one) for one in part.split(",")] for part in parts]
    found = ARRAY.match(text)
    if not found:
        return text
    inner = (found[2] if found[1] is None else found[1]).strip()
    parts = [part.strip() for part in inner.split(",")] if inner else []
    return [value(part, entries) if entries else untyped(part) for part in parts]


def obj(text: str) -> Any:
    text = text.strip()
    found = OBJECT.match(text)
    if not found:
        return text
    pairs = PAIR.findall(found[1])
    return {key.strip().strip("'\""): member(given.strip()) for key, given in pairs}


def member(text: str) -> Any:
    """The value of a key."""
    if text.startswith("[") and text.endswith("]"):
        return array(text)
    if text.startswith("{") and text.endswith("}"):
        return obj(text)
    return untyped(text.strip("'\""))


def untyped(text: str) -> Any:
    """The value of a text whose type nobody says."""
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    if quoted(text):
        return text[1:-1]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
