"""Retrieval in flows: collections at the door, and retrievers over an index of the job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.door import check_rows
from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams
from evald.retrieval.collection import Collection
from evald.retrieval.formats import open_collection
from evald.retrieval.indexing import fill
from evald.retrieval.retriever import Retriever

BATCH = 64


class SearchExtra(BaseModel):
    """What retrieval reads of `params.extra`: documents in each request for embeddings, and
    characters of a document that are embedded at most."""

    model_config = ConfigDict(extra="allow", frozen=True)

    batch_size: int = Field(BATCH, ge=1, le=2048)
    max_characters: int | None = Field(None, ge=1)


def check_pipeline(pipeline: Document, field: str) -> None:
    """Raises InvalidArgument when the `top_k` of the pipeline at `field` finds nothing."""
    top_k = pipeline.get("top_k")
    if top_k is not None and not 1 <= top_k <= MOST:
        raise InvalidArgument.of(f"{field}.top_k", f"it must be from 1 to {MOST}")


MOST = 16_384
"""Documents that one search of Milvus gives at most."""


def opened_collection(
    dataset: Document, kind: str, context: FlowContext, task: str
) -> tuple[Collection, int]:
    """The collection of a task of the type `kind`, and how many queries it has. All of its rows
    are read. Raises EvaluationError of kind `dataset`, saying which are wrong."""
    collection = open_collection(context.datasets, dataset, kind)
    for part in collection.parts():
        check_rows(context.datasets, part.dataset, part.read, task, unfold=part.unfold)
    queries = sum(1 for _ in collection.queries())
    if not collection.size or not queries:
        missing = "queries that a document answers" if collection.size else "documents with text"
        message = f"{dataset['files_url']} has no {missing}"
        raise EvaluationError("dataset", message, task=task)
    return collection, queries


@asynccontextmanager
async def searching(
    name: str,
    pipeline: Document,
    collection: Collection,
    context: FlowContext,
    *,
    params: EvaluationParams,
    extra: SearchExtra,
    top_k: int,
    step: Callable[[int], None],
) -> AsyncIterator[Retriever]:
    """A retriever over the documents of a collection, in the job's index `name`; those that an
    earlier attempt has embedded are not embedded again. `step` gets numbers of documents done.

    Raises EvaluationError.
    """
    async with AsyncExitStack() as opened:

        def client(open_one: Callable[[Any, Any], Any], member: str) -> Any:
            made = open_one(pipeline[member], params.client())
            opened.push_async_callback(made.close)
            return made

        models = context.models
        documents = client(models.embedder, "index_embedding_model")
        queries = client(models.embedder, "query_embedding_model")
        reranker = None
        if pipeline.get("reranker_model"):
            reranker = client(models.reranker, "reranker_model")
        index = await opened.enter_async_context(context.indexes.open(name))
        await fill(
            index,
            collection.documents(),
            documents,
            batch=extra.batch_size,
            parallelism=params.parallelism,
            step=step,
            characters=extra.max_characters,
        )
        context.emit.log("info", f"task {name}: {collection.size} documents are in the index")
        yield Retriever(index, queries, min(top_k, collection.size), reranker)
