"""Embeds documents and puts them into an index."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from evald.model import Embedder
from evald.tasks import task_group
from evald.vectors import Index, Passage, Vector

Batch = tuple[list[Passage], asyncio.Task[Sequence[Vector]]]


async def fill(
    index: Index,
    documents: Iterable[Passage],
    embedder: Embedder,
    *,
    batch: int,
    parallelism: int,
    step: Callable[[int], None],
    characters: int | None = None,
) -> None:
    """Embeds `batch` documents by each request, `parallelism` of these at once, and adds them in
    their order, so that of documents which are there already the first are skipped.

    No more documents are in memory than are under way. `step` gets numbers of documents that are
    there. Of each, at most so many `characters` are embedded. Raises EvaluationError.
    """
    done = await index.count()
    step(done)
    batches = batches_of(islice(documents, done, None), batch)
    under_way: deque[Batch] = deque()

    async def add() -> None:
        passages, vectors = under_way.popleft()
        await index.add(passages, await vectors)
        step(len(passages))

    async with task_group() as group:
        for passages in batches:
            texts = [passage.text[:characters] for passage in passages]
            request = embedder.embed(texts, "passage")
            under_way.append((passages, group.create_task(request)))
            if len(under_way) >= parallelism:
                await add()
        while under_way:
            await add()
    await index.ready()


def batches_of(documents: Iterator[Passage], size: int) -> Iterator[list[Passage]]:
    while batch := list(islice(documents, size)):
        yield batch
