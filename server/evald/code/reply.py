"""From what a model replied to the code that it meant."""

from __future__ import annotations

import re
from collections.abc import Iterable

FENCED = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def until(text: str, stops: Iterable[str]) -> str:
    """A completion up to where the first of the stop words begins."""
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends, default=len(text))]


def block(text: str, mark: str) -> str:
    """Of a chat's reply the first block of code that has `mark` in it, else the first one, else all
    of the text. A block that the reply does not end counts."""
    blocks: list[str] = FENCED.findall(text)
    return next((code for code in blocks if mark in code), blocks[0] if blocks else text)
