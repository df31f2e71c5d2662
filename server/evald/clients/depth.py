"""How deeply data may be nested: less than what any library on its way can write again."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 100


def is_too_deep(value: Any, text: bytes | bytearray | None = None) -> bool:
    """Whether lists and objects stand more than MAX_DEPTH deep in each other.

    With the JSON that the value came from, most values are told by their number of brackets.
    """
    if text is not None and text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for holder in level
            if isinstance(holder, dict | list)
            for child in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)
