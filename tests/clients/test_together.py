"""Searches that are made together, and what becomes of them when one is broken off."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest

from evald.clients.together import Together
from evald.errors import EvaluationError
from evald.vectors import Found, Vector


@pytest.mark.parametrize("cancelled", [True, False])
def test_whose_search_another_has_broken_off_is_told_so(cancelled: bool) -> None:
    unseen: list[object] = []

    async def main() -> list[list[Found] | BaseException]:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unseen.append(what))
        gate = asyncio.Event()

        async def search(vectors: Sequence[Vector], most: int) -> list[list[Found]]:
            await gate.wait()
            if len(vectors) > 1:
                await asyncio.sleep(60 if cancelled else 0)
                raise KeyError("no")
            return [[Found("a", "", 1.0)] for _ in vectors]

        together = Together(search)
        first = asyncio.create_task(together.search([1.0], 1))
        await asyncio.sleep(0.01)
        next_ones = [asyncio.create_task(together.search([1.0], 1)) for _ in range(4)]
        await asyncio.sleep(0.01)
        gate.set()
        assert await first == [Found("a", "", 1.0)]
        await asyncio.sleep(0.01)
        if cancelled:
            next_ones[0].cancel()
            next_ones[1].cancel()
        found = await asyncio.gather(*next_ones, return_exceptions=True)
        assert await together.search([1.0], 1) == [Found("a", "", 1.0)], "the next one works"
        del together, next_ones
        gc.collect()
        return found

    found = asyncio.run(main())
    broken = [one for one in found if isinstance(one, EvaluationError)]
    assert len(broken) == (2 if cancelled else 3)
    assert {(one.kind, one.message) for one in broken} == {("index", "the search was broken off")}
    assert isinstance(found[0], asyncio.CancelledError if cancelled else KeyError)
    assert not unseen
