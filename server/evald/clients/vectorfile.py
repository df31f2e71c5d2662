"""An index in files, searched exactly and read a block at a time, so that however many texts it has
it takes no more memory; and an index whose first texts are elsewhere."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evald.clients.together import Together
from evald.errors import EvaluationError
from evald.vectors import ID_BYTES, Found, Index, Passage, Vector

T = TypeVar("T")
Floats = NDArray[np.float32]

BLOCK_BYTES = 8 * 2**20
"""Of vectors that are in memory at once."""

TABLE = f"""
CREATE TABLE IF NOT EXISTS passages (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL CHECK (length(id) <= {ID_BYTES}),
    text TEXT NOT NULL
)
"""


class VectorFile:
    """Texts in an SQLite database, and their vectors, of length 1, as float32 one after the other.

    A text counts once it is in the database, which is after its vector was written: what a killed
    process was about to add is written over. The database's `user_version` is the number of a
    vector's dimensions.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._together = Together(self._find)
        self._database: sqlite3.Connection | None = None
        self._count = 0
        self._size = 0

    async def count(self) -> int:
        return await self._call(self._counted)

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        await self._call(self._add, passages, vectors)

    async def search(self, vector: Vector, most: int) -> list[Found]:
        return await self._together.search(vector, most)

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    async def _find(self, vectors: Sequence[Vector], most: int) -> list[list[Found]]:
        return await self._call(self._search, vectors, most)

    async def _call(self, act: Callable[..., T], *given: Any) -> T:
        """Does what blocks in a thread of its own."""

        def locked() -> T:
            with self._lock:
                return act(*given)

        try:
            return await asyncio.to_thread(locked)
        except (OSError, ValueError, sqlite3.Error) as e:
            raise EvaluationError("index", f"{self._path.name}: {e}") from e

    def _counted(self) -> int:
        if self._database is None and self._path.with_suffix(".db").exists():
            self._open()
        return self._count

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            database = sqlite3.connect(self._path.with_suffix(".db"), check_same_thread=False)
            database.execute("PRAGMA synchronous = OFF")  # a job does not outlive its machine
            database.execute(TABLE)
            [self._count] = database.execute("SELECT count(*) FROM passages").fetchone()
            [self._size] = database.execute("PRAGMA user_version").fetchone()
            self._database = database
        return self._database

    def _add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        database = self._open()
        rows = unit(vectors)
        if self._count and rows.shape[1] != self._size:
            raise ValueError(f"a vector has {rows.shape[1]} dimensions, those before {self._size}")
        self._size = rows.shape[1]
        vectors_path = self._path.with_suffix(".f32")
        vectors_path.touch()
        with vectors_path.open("r+b") as file:
            file.seek(self._count * self._size * rows.itemsize)
            file.write(rows.tobytes())
        with database:
            database.execute(f"PRAGMA user_version = {self._size:d}")
            database.executemany(
                "INSERT INTO passages VALUES (?, ?, ?)",
                ((self._count + i, *passage) for i, passage in enumerate(passages)),
            )
        self._count += len(passages)

    def _search(self, vectors: Sequence[Vector], most: int) -> list[list[Found]]:
        if not self._count:
            return [[] for _ in vectors]
        asked = unit(vectors)
        if asked.shape[1] != self._size:
            raise ValueError(f"a query has {asked.shape[1]} dimensions, documents {self._size}")
        scores, places = self._nearest(asked, most)
        return [
            [self._found(place, score) for place, score in zip(*one, strict=True)]
            for one in zip(places.tolist(), scores.tolist(), strict=True)
        ]

    def _found(self, place: int, score: float) -> Found:
        asked = "SELECT id, text FROM passages WHERE position = ?"
        name, text = self._open().execute(asked, (place,)).fetchone()
        return Found(name, text, score)

    def _nearest(self, asked: Floats, most: int) -> tuple[Floats, NDArray[np.int64]]:
        """The best scores for each of (n, size) vectors, and their positions: (n, `most`), or as
        many as there are, the best first."""
        scores: Floats = np.empty((len(asked), 0), np.float32)
        places: NDArray[np.int64] = np.empty((len(asked), 0), np.int64)
        room = np.empty((max(1, BLOCK_BYTES // (self._size * 4)), self._size), np.float32)
        with self._path.with_suffix(".f32").open("rb", buffering=0) as file:
            for start in range(0, self._count, len(room)):
                block = room[: self._count - start]
                if file.readinto(block.data.cast("B")) != block.nbytes:
                    raise ValueError("vectors are missing")
                near = asked @ block.T
                at = best(near, most)
                scores = np.hstack([scores, np.take_along_axis(near, at, 1)])
                places = np.hstack([places, at + start])
                order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
                scores = np.take_along_axis(scores, order, 1)
                places = np.take_along_axis(places, order, 1)
        return scores, places


class Overflowing:
    """An index that keeps its first `most` texts in one index, and the others in a file."""

    def __init__(self, first: Index, rest: VectorFile, most: int) -> None:
        self._first = first
        self._rest = rest
        self._most = most
        self._room: int | None = None

    async def count(self) -> int:
        there = await self._first.count()
        self._room = self._most - there
        return there + await self._rest.count()

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        if self._room is None:
            await self.count()
        fits = self._room or 0
        if passages[:fits]:
            await self._first.add(passages[:fits], vectors[:fits])
            self._room = fits - len(passages[:fits])
        if passages[fits:]:
            await self._rest.add(passages[fits:], vectors[fits:])

    async def ready(self) -> None:
        await self._first.ready()

    async def search(self, vector: Vector, most: int) -> list[Found]:
        found = await asyncio.gather(
            self._first.search(vector, most), self._rest.search(vector, most)
        )
        return sorted((one for hits in found for one in hits), key=lambda f: -f.score)[:most]


def unit(vectors: Sequence[Vector]) -> Floats:
    """Vectors of length 1, in an array of (vectors, dimensions). One of length 0 stays as it is.
    Raises ValueError when they differ in their dimensions."""
    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    found: Floats = rows / lengths
    return found


def best(scores: Floats, most: int) -> NDArray[np.int64]:
    """Where the greatest of each row are, as they come: (rows, `most`), or all of them."""
    if scores.shape[1] <= most:
        every = np.arange(scores.shape[1])
        return np.broadcast_to(every, scores.shape)
    found: NDArray[np.int64] = np.argpartition(-scores, most - 1, axis=1)[:, :most]
    return np.sort(found, axis=1)
