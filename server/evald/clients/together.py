"""Searches that are asked for at the same time, made together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from evald.errors import EvaluationError
from evald.vectors import Found, Vector

Search = Callable[[Sequence[Vector], int], Awaitable[Sequence[list[Found]]]]
"""Finds the nearest texts for each of some vectors."""


class Together:
    """What is asked while a search goes on is searched for together, by the next one: one search
    for many vectors takes hardly longer than one for one."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._lock = asyncio.Lock()
        self._asked: list[tuple[Vector, int, asyncio.Future[list[Found]]]] = []

    async def search(self, vector: Vector, most: int) -> list[Found]:
        """The nearest texts of one vector. Raises EvaluationError."""
        answer: asyncio.Future[list[Found]] = asyncio.get_running_loop().create_future()
        self._asked.append((vector, most, answer))
        async with self._lock:
            if not answer.done():  # else it was among those before
                await self._answer()
        return await answer

    async def _answer(self) -> None:
        asked, self._asked = self._asked, []
        try:
            most = max(wanted for _, wanted, _ in asked)
            found = await self._search([vector for vector, _, _ in asked], most)
        except EvaluationError as e:
            _fail([answer for _, _, answer in asked], e.kind, e.message)
        except BaseException:
            _fail([answer for _, _, answer in asked], "index", "the search was broken off")
            raise
        else:
            for (_, wanted, answer), hits in zip(asked, found, strict=True):
                if not answer.done():
                    answer.set_result(hits[:wanted])


def _fail(answers: Sequence[asyncio.Future[list[Found]]], kind: str, message: str) -> None:
    """Gives an error, each its own, to those who still wait for an answer."""
    for answer in answers:
        if not answer.done():
            answer.set_exception(EvaluationError(kind, message))
            answer.exception()  # it counts as seen: who asked may have been cancelled meanwhile
