"""Tasks of asyncio that belong together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from evald.errors import EvaluationError

R = TypeVar("R")


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks that ends with the first error, which is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as e:
        raise first_of(e) from None


async def together(asked: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
    """Runs all at once, and answers their results in order. Raises the first error."""
    async with task_group() as group:
        tasks = [group.create_task(one) for one in asked]
    return [task.result() for task in tasks]


def first_of(error: BaseException) -> BaseException:
    """What an error is about: of a group, the first EvaluationError, else the first of all."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [first_of(e) for e in error.exceptions]
    return next((e for e in leaves if isinstance(e, EvaluationError)), leaves[0])
