"""RAG: contexts are found for questions, a model answers from them, and both are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import islice
from typing import Any, get_args

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.chat import plain_text
from evald.flows.door import check_rows
from evald.flows.evaluation import Answer, Task, Work, evaluate, no_answer
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.grading import Grading, RagTaskParams
from evald.flows.groups import evaluation
from evald.flows.params import EvaluationParams, limited, parse
from evald.flows.retriever import Retriever, found_for, scores_of
from evald.flows.searching import (
    UNCLUSTERED,
    Search,
    SearchExtra,
    check_pipeline,
    opened_collection,
)
from evald.model import Asker, Row
from evald.rag.answering import Answering, Find, Ordering, given
from evald.rag.catalog import METRICS
from evald.rag.sample import RagSample, unfolded
from evald.retrieval.collection import Collection
from evald.retrieval.retriever import Retriever as Finder
from evald.templates import Templates

TOP_K = 10
"""Contexts that are found for a question where nothing else is said."""


class Rag(Flow):
    """Metrics of RAGAS, by a judge, of answers that a model makes from contexts, or that were made
    earlier.

    Targets have answers (`rag.cached_outputs`), or a model (`rag.pipeline`) with a retriever: a
    pipeline that finds contexts in a collection, or rows that have them. All rows are read before
    anything is asked.
    """

    types = ("rag",)
    targets = dict.fromkeys(("beir", "squad", "ragas"), ("rag",))
    metrics = (*METRICS, *Retriever.metrics)
    extra = "evald[retrieval]"
    task_params = dict.fromkeys(targets, RagTaskParams)
    Extra = SearchExtra

    def check(self, config: Document) -> None:
        def check_task(findings: Findings, path: str, task: Document) -> None:
            Grading(task, path)

        findings = Findings()
        with findings.gather():
            check_tasks(config, check_task)
        with findings.gather():
            parse(SearchExtra, (config.get("params") or {}).get("extra"), "params.extra")
        findings.raise_any()

    def check_job(self, target: Document, config: Document) -> None:
        source = Source(target["rag"])
        for name, task in config["tasks"].items():
            if source.retrieval and not (task.get("dataset") or source.dataset):
                raise InvalidArgument.of(
                    f"config.tasks.{name}.dataset", "say where documents and questions are"
                )
            if source.retrieval and Grading(task, f"tasks.{name}").params.cluster:
                raise InvalidArgument.of(f"config.tasks.{name}.params.cluster", UNCLUSTERED)
            if not source.retrieval and (wanted := Grading(task, f"tasks.{name}").measures):
                raise InvalidArgument.of(
                    f"config.tasks.{name}.metrics.{wanted[0].name}",
                    "measures of retrieval need a target whose retriever has a pipeline",
                )

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        params = parse(EvaluationParams, config.get("params"), "params")
        source = Source(context.target["rag"])
        make = search_task if source.retrieval else read_task
        async with AsyncExitStack() as opened:
            tasks = [
                make(Making(name, number, task, source, params, context, opened))
                for number, (name, task) in enumerate(config["tasks"].items())
            ]
            results = await evaluate(tasks, context)
        return {"tasks": results, "groups": {"evaluation": evaluation(results)}}


class Source:
    """Where the questions of a target are, what finds their contexts, and who answers them.

    `dataset` has rows, or with a `retrieval` a collection. Raises InvalidArgument when a target
    does not say what it must.
    """

    def __init__(self, rag: Document) -> None:
        pipeline = rag.get("pipeline")
        self.model: Any = None
        self.ordering: Ordering = "desc"
        self.retrieval: Document | None = None
        holder, field = rag, "target.rag"
        if pipeline:
            holder, field = pipeline.get("retriever") or {}, "target.rag.pipeline.retriever"
            self.model = pipeline.get("model")
            if not self.model:
                raise InvalidArgument.of("target.rag.pipeline.model", "say which model answers")
            self.ordering = pipeline.get("context_ordering") or "desc"
            if self.ordering not in get_args(Ordering):
                raise InvalidArgument.of(
                    "target.rag.pipeline.context_ordering",
                    "it must be desc, the best context first, or asc",
                )
        self.dataset: Document = holder.get("cached_outputs") or holder.get("dataset") or {}
        if pipeline and holder.get("pipeline") and not holder.get("cached_outputs"):
            self.retrieval = holder["pipeline"]
            check_pipeline(self.retrieval, f"{field}.pipeline")
        elif not self.dataset:
            raise InvalidArgument.of(field, "say where the rows are: cached_outputs or dataset")


class Making:
    """What tasks are made of: the config of one, the target's source, and the job's context. Raises
    EvaluationError."""

    def __init__(
        self,
        name: str,
        number: int,
        task: Document,
        source: Source,
        params: EvaluationParams,
        context: FlowContext,
        opened: AsyncExitStack,
    ) -> None:
        self.name = name
        self.index = str(number)
        self.task = task
        self.source = source
        self.params = params
        self.context = context
        self.grading = Grading(task, f"tasks.{name}")
        self.scoreboard = self.grading.scoreboard(context, opened)
        self._opened = opened

    def asker(self) -> Asker:
        """Asks the target's model."""
        model = self.source.model
        client = self.context.models.open(model, self.params.client())
        self._opened.push_async_callback(client.close)
        template = self.grading.params.template
        return Asker(
            client,
            Templates().compile(template, f"tasks.{self.name}.params.template"),
            model,
            params=self.params.request(),
            plain_text=plain_text(model),
        )


def read_task(making: Making) -> Work:
    """A task on rows that have all that its metrics need, but for answers if a model makes them."""
    source, context, name = making.source, making.context, making.name
    needs = making.grading.needs
    if source.model:
        needs = needs - {"response"} | {"question", "contexts"}
    dataset = limited(source.dataset, making.params.limit_samples)
    count = check_rows(
        context.datasets, dataset, lambda row: RagSample.of(row, needs), name, unfold=unfolded
    )
    most = dataset.get("limit")

    def rows() -> Iterator[Row]:
        read = context.datasets.rows(dataset)
        return islice((dict(one) for row in read for one in unfolded(row)), most)

    answer: Answer = no_answer
    if source.model:
        answer = Answering(making.asker(), given, source.ordering)
    count = count if most is None else min(count, most)
    parallelism, cluster = making.params.parallelism, making.grading.params.cluster
    return Task(name, count, rows, answer, making.scoreboard, parallelism, cluster)


def search_task(making: Making) -> Work:
    """A task on the questions of a collection, whose contexts are found in it."""
    source, context, params, name = making.source, making.context, making.params, making.name
    pipeline = source.retrieval
    assert pipeline is not None, "it was looked whether there is one"
    dataset = making.task.get("dataset") or source.dataset
    collection, count = opened_collection(dataset, making.task["type"], context, name)
    count = min(count, params.limit_samples or count)
    if "reference" in making.grading.needs:
        check_references(collection, count, name)
    top_k = found_for(making.grading.measures, pipeline.get("top_k") or TOP_K, name, context)
    asker = making.asker()

    def rows() -> Iterator[Row]:
        for query in islice(collection.queries(), count):
            yield {
                "query_id": query.id,
                "question": query.text,
                "ground_truth": query.reference,
                "relevant": dict(query.relevant),
            }

    def searched(finder: Finder) -> Task:
        answer = Answering(asker, finding(finder), source.ordering)
        return Task(name, count, rows, answer, making.scoreboard, params.parallelism)

    return Search(name, making.index, pipeline, collection, count, params, top_k, searched)


def finding(finder: Finder) -> Find:
    """Finds the contexts of a question."""

    async def find(row: Row) -> Mapping[str, Any]:
        found = await finder.find(row["question"])
        return {"contexts": [one.text for one in found], "retrieved": scores_of(found)}

    return find


def check_references(collection: Collection, count: int, task: str) -> None:
    """Raises EvaluationError of kind `dataset` when not every question has a reference answer."""
    queries = islice(collection.queries(), count)
    if lacking := [query.id for query in queries if not query.reference.strip()]:
        raise EvaluationError(
            "dataset",
            f"{len(lacking)} questions have no reference answer, which a metric needs, such as "
            f"{lacking[0]!r}; data of the formats squad and ragas have them",
            task=task,
        )
