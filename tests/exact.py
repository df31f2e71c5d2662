"""Indexes in memory, searched exactly: what every other one must find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from evald.vectors import Found, Passage, Vector


@dataclass
class ExactIndex:
    """Texts by their vectors, and what was done with them."""

    passages: list[Passage] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    is_ready: bool = False
    is_open: bool = False

    async def count(self) -> int:
        return len(self.passages)

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        self.passages += passages
        self.vectors += vectors
        self.added.append(len(passages))

    async def ready(self) -> None:
        self.is_ready = True

    async def search(self, vector: Vector, most: int) -> list[Found]:
        assert self.is_ready
        there = np.asarray(self.vectors)
        asked = np.asarray(vector)
        near = there @ asked / np.linalg.norm(there, axis=1) / np.linalg.norm(asked)
        best = np.argsort(-near, kind="stable")[:most]
        return [Found(*self.passages[i], float(near[i])) for i in best]


class ExactIndexes:
    """Indexes by name; they stay when they are closed."""

    def __init__(self) -> None:
        self.made: dict[str, ExactIndex] = {}

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[ExactIndex]:
        index = self.made.setdefault(name, ExactIndex())
        index.is_open = True
        try:
            yield index
        finally:
            index.is_open = False
