"""Values of Java, written as texts, as BFCL reads them. What cannot be read stays a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TYPES: Mapping[str, type] = {
    "byte": int,
    "short": int,
    "integer": int,
    "float": float,
    "double": float,
    "long": int,
    "boolean": bool,
    "char": str,
    "Array": list,
    "ArrayList": list,
    "HashMap": dict,
    "String": str,
    "any": str,
}

INTEGER = re.compile(r"-?\d+$")
LONG = re.compile(r"-?\d+[lL]$")
DOUBLE = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?$")
FLOAT = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?[fF]$")

NUMBERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    **dict.fromkeys(("byte", "short", "integer"), (INTEGER, int)),
    "long": (LONG, lambda text: int(text.rstrip("\n")[:-1])),
    "float": (FLOAT, lambda text: float(text.rstrip("\n")[:-1])),
    "double": (DOUBLE, float),
}

AS_LIST = re.compile(r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)")
ADDED = re.compile(r"new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}", re.DOTALL)
EMPTY_LIST = re.compile(r"new\s+ArrayList<\w*>\(\)")
ARRAY = re.compile(r"new\s+\w+\[\]\s*\{(.*?)\}")
MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}", re.DOTALL)
EMPTY_MAP = re.compile(r"new\s+HashMap<.*?>\s*\(\)")
PUT = re.compile(r"put\(\"(.*?)\",\s*(.*?)\)")


def value(text: str, kind: str, entries: str | None = None) -> Any:
    """The value of a text that is of a type in TYPES. `entries` is the type of a list's."""
    if kind in NUMBERS:
        pattern, number = NUMBERS[kind]
        return number(text) if pattern.match(text) else text
    match kind:
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "ArrayList":
            return array_list(text, entries)
        case "Array":
            return array(text, entries)
        case "HashMap":
            return hash_map(text)
    return text


def array_list(text: str, entries: str | None) -> Any:
    if found := AS_LIST.search(text):
        return [entry(one, entries) for one in found[1].split(",")]
    if found := ADDED.search(text):
        return [entry(one, entries) for one in re.findall(r"add\((.+?)\)", found[1])]
    return [] if EMPTY_LIST.search(text) else text


def entry(text: str, kind: str | None) -> Any:
    """An entry of a list; texts and characters are in quotes."""
    text = text.strip()
    if kind in ("char", "String"):
        return text[1:-1]
    return value(text, kind) if kind else untyped(text)


def array(text: str, entries: str | None) -> Any:
    found = ARRAY.search(text)
    if not found:
        return text
    parts = (part.strip() for part in found[1].split(","))
    return [value(part, entries) if entries else untyped(part) for part in parts if part]


def hash_map(text: str) -> Any:
    if found := MAP.search(text):
        return {key: untyped(given.strip()) for key, given in PUT.findall(found[1])}
    return {} if EMPTY_MAP.search(text) else text


def untyped(text: str) -> Any:
    """The value of a text whose type nobody says."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"') and text.endswith('"'):
        return text[1:-1]
    for kind in ("long", "float"):
        if (found := value(text, kind)) is not text:
            return found
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
