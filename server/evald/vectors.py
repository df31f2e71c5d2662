"""Vectors of texts, as those see them who store and search them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

Vector = Sequence[float]

ID_BYTES = 512
"""Of a text's name, at most."""


class Passage(NamedTuple):
    """A text to be found, and its name."""

    id: str
    text: str


class Found(NamedTuple):
    """A text that was found. The higher its score, the better it suits."""

    id: str
    text: str
    score: float


class Index(Protocol):
    """Texts by their vectors. All methods raise EvaluationError of kind `index`."""

    async def count(self) -> int:
        """How many texts are stored, by earlier attempts too: the first of those to be added."""

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        """Adds texts, with a vector for each. Called for one batch after the other."""

    async def ready(self) -> None:
        """Makes what was added fit to be searched."""

    async def search(self, vector: Vector, most: int) -> list[Found]:
        """The nearest texts by cosine, the nearest first; exact."""


class Indexes(Protocol):
    """Opens indexes; `evald.clients.milvus` is the real one."""

    def open(self, name: str) -> AbstractAsyncContextManager[Index]:
        """The job's index of that name. What an attempt that was killed has added is there."""
