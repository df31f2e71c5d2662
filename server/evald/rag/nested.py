"""Rows that stand inside a row of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Nested(dict[str, Any]):
    """A row that stands at `place` of another, such as `data[3].qas[0]`, where errors look for
    it."""

    __slots__ = ("place",)

    def __init__(self, row: Mapping[str, Any], place: str) -> None:
        super().__init__(row)
        self.place = place


def member(place: str, key: str, index: int | None = None) -> str:
    """The place of a member of what stands at `place`, or of one of its entries, from 0 up."""
    path = f"{place}.{key}" if place else key
    return path if index is None else f"{path}[{index}]"
