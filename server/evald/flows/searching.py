"""Retrieval in flows: collections at the door, and retrievers over an index of the job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evald.checkpoints import is_local
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.door import check_rows
from evald.flows.evaluation import Progress, Task
from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams, parse
from evald.retrieval.collection import Collection, Gaps
from evald.retrieval.formats import open_collection
from evald.retrieval.indexing import fill
from evald.retrieval.retriever import Retriever

BATCH = 32


PACKAGES = ("pymilvus", "milvus_lite", "pytrec_eval")
INSTALL = "it needs Milvus and trec_eval: pip install 'evald[retrieval]'"

UNCLUSTERED = "the queries of a collection have no fields by which they belong together"
"""Why no errors are reckoned by clusters there."""

MOST = 16_384
"""Documents that one search of Milvus gives at most."""


class SearchExtra(BaseModel):
    """What retrieval reads of `params.extra`: documents in each request for embeddings, and
    characters of a document that are embedded at most."""

    model_config = ConfigDict(extra="allow", frozen=True)

    batch_size: int = Field(BATCH, ge=1, le=2048)
    max_characters: int | None = Field(None, ge=1)


def missing() -> str | None:
    """What has to be installed before anything can be searched for."""
    return None if all(map(find_spec, PACKAGES)) else INSTALL


def check_pipeline(pipeline: Document, field: str) -> None:
    """Raises InvalidArgument when the pipeline at `field` cannot run here."""
    if lacking := missing():
        raise InvalidArgument.of(field, lacking)
    top_k = pipeline.get("top_k")
    if top_k is not None and not 1 <= top_k <= MOST:
        raise InvalidArgument.of(f"{field}.top_k", f"it must be from 1 to {MOST}")
    if is_local(pipeline.get("reranker_model")):
        raise InvalidArgument.of(
            f"{field}.reranker_model", "a checkpoint cannot rerank: give an api_endpoint"
        )


def opened_collection(
    dataset: Document, kind: str, context: FlowContext, task: str
) -> tuple[Collection, int]:
    """The collection of a task of the type `kind`, and how many queries it has. All of its rows
    are read; judgments of what is not there are told of in the log. Raises EvaluationError of kind
    `dataset`, saying which are wrong, or that no judgment could count."""
    collection = open_collection(context.datasets, dataset, kind)
    for part in collection.parts():
        check_rows(context.datasets, part.dataset, part.read, task, unfold=part.unfold)
    url = dataset["files_url"]
    if not collection.size:
        raise EvaluationError("dataset", f"{url} has no documents with text", task=task)
    if gaps := collection.gaps():
        check_judgments(gaps, url, context, task)
    queries = sum(1 for _ in collection.queries())
    if not queries:
        message = f"{url} has no queries that a document answers"
        if collection.limit is not None:
            message += f" which is among the first {collection.limit}"
        raise EvaluationError("dataset", message, task=task)
    return collection, queries


def check_judgments(gaps: Gaps, url: str, context: FlowContext, task: str) -> None:
    """Raises EvaluationError of kind `dataset` when no document that is there is relevant, so that
    every score would be 0; warns of judgments that name what is not there."""
    absent = f"are of documents that the corpus has no text of, such as {gaps.document!r}"
    unknown = f"of queries that are not there, such as {gaps.query!r}"
    if gaps.documents == gaps.relevant:
        reason = "none is above 0"
        if gaps.relevant:
            reason = f"all {gaps.relevant} relevant ones {absent}"
        elif gaps.queries:
            reason = f"{gaps.queries} are {unknown}, and of the others none is above 0"
        message = f"{url}: of its judgments (qrels) nothing can be measured: {reason}"
        raise EvaluationError("dataset", message, task=task)
    if gaps.documents:
        said = f"{gaps.documents} of {gaps.relevant} relevant judgments {absent}"
        context.emit.log("warning", f"task {task}: {said}; none of these can be found")
    if gaps.queries:
        context.emit.log("warning", f"task {task}: {gaps.queries} judgments are {unknown}")


@dataclass(frozen=True, slots=True)
class Search:
    """A task that indexes a collection and searches for its queries: what `task` makes of the
    retriever. `queries` is how many there are; they are counted with the documents, which may take
    much longer."""

    name: str
    index: str
    pipeline: Document
    collection: Collection
    queries: int
    params: EvaluationParams
    top_k: int
    task: Callable[[Retriever], Task]

    @property
    def count(self) -> int:
        return self.collection.size + self.queries

    async def evaluate(self, context: FlowContext, progress: Progress) -> dict[str, Any]:
        """Raises EvaluationError."""
        try:
            async with self._searching(context, progress.advance) as retriever:
                return await self.task(retriever).evaluate(context, progress)
        except EvaluationError as e:
            task = e.task or self.name
            raise EvaluationError(e.kind, e.message, task=task, sample=e.sample) from None

    @asynccontextmanager
    async def _searching(
        self, context: FlowContext, step: Callable[[int], None]
    ) -> AsyncIterator[Retriever]:
        """A retriever over the documents, in an index of the job; those that an earlier attempt has
        embedded are not embedded again. `step` gets numbers of documents done. Raises
        EvaluationError."""
        params, pipeline, models = self.params, self.pipeline, context.models
        extra = parse(SearchExtra, params.extra, "params.extra")
        async with AsyncExitStack() as opened:

            def client(open_one: Callable[[Any, Any], Any], member: str) -> Any:
                made = open_one(pipeline[member], params.client())
                opened.push_async_callback(made.close)
                return made

            documents = client(models.embedder, "index_embedding_model")
            queries = client(models.embedder, "query_embedding_model")
            reranker = None
            if pipeline.get("reranker_model"):
                reranker = client(models.reranker, "reranker_model")
            index = await opened.enter_async_context(context.indexes.open(self.index))
            await fill(
                index,
                self.collection.documents(),
                documents,
                batch=extra.batch_size,
                parallelism=params.parallelism,
                step=step,
                characters=extra.max_characters,
            )
            size = self.collection.size
            context.emit.log("info", f"task {self.name}: {size} documents are in the index")
            yield Retriever(index, queries, min(self.top_k, size), reranker)
