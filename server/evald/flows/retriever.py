"""Retriever: documents are embedded and indexed, queries are searched for, and what is found is
measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from pydantic import Field

from evald.errors import InvalidArgument
from evald.flows.door import check_rows
from evald.flows.evaluation import Task, Work, evaluate
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.groups import evaluation
from evald.flows.params import EvaluationParams, cluster_field, limited, parse
from evald.flows.scoreboard import Scoreboard
from evald.flows.searching import (
    PACKAGES,
    UNCLUSTERED,
    Search,
    SearchExtra,
    check_pipeline,
    missing,
    opened_collection,
)
from evald.metrics.metric import Metric, MetricParams
from evald.model import Row
from evald.retrieval.formats import FORMATS
from evald.retrieval.measures import CUT, WHOLE, Measure, TrecEval
from evald.retrieval.recorded import read_record
from evald.retrieval.retriever import Retriever as Finder
from evald.vectors import Found

PREFIX = "retriever_"
"""What newer configs put before the names of these metrics."""

NAMESPACE = "retriever."
"""What stands before their names in the results of tasks."""

GENERIC = "pytrec_eval"
"""A type for all of them, whose `params.metric` or name says which."""


class MeasureParams(MetricParams):
    """`metric` names the measure where the type does not. Judgments from `relevance_level` on are
    relevant, where a measure does not weigh them."""

    metric: str | None = None
    relevance_level: int = Field(1, ge=1)


class Retriever(Flow):
    """Measures of trec_eval of what a pipeline finds, or of what was found earlier.

    The documents of a collection are embedded and put into an index; each query is embedded and
    searched for exactly, by cosine, and what is found may be put in order by another model.
    """

    types = ("retriever",)
    targets = dict.fromkeys(FORMATS, ("retriever",))
    metrics = (GENERIC, *CUT, *WHOLE)
    extra = "evald[retrieval]"
    Extra = SearchExtra

    @classmethod
    def missing(cls) -> str | None:
        return missing()

    @classmethod
    def prepare(cls) -> Iterator[None]:
        for name in PACKAGES:
            __import__(name)
            yield

    def check(self, config: Document) -> None:
        def check_task(findings: Findings, path: str, task: Document) -> None:
            if cluster_field(task, path):
                findings.add(f"{path}.params.cluster", UNCLUSTERED)
            wanted(task, path)

        findings = Findings()
        with findings.gather():
            check_tasks(config, check_task)
        with findings.gather():
            extra = (config.get("params") or {}).get("extra")
            parse(SearchExtra, extra, "params.extra")
        findings.raise_any()

    def check_job(self, target: Document, config: Document) -> None:
        retriever = target["retriever"]
        if retriever.get("cached_outputs"):
            return
        if not retriever.get("pipeline"):
            raise InvalidArgument.of(
                "target.retriever", "say what retrieves (pipeline), or give cached_outputs"
            )
        check_pipeline(retriever["pipeline"], "target.retriever.pipeline")
        for name, task in config["tasks"].items():
            if not task.get("dataset") and not retriever.get("dataset"):
                raise InvalidArgument.of(
                    f"config.tasks.{name}.dataset", "say where documents and queries are"
                )

    async def run(self, context: FlowContext) -> dict[str, Any]:
        retriever = context.target["retriever"]
        params = parse(EvaluationParams, context.config.get("params"), "params")
        make = recorded_task if retriever.get("cached_outputs") else search_task
        tasks = [
            make(name, number, task, params, context)
            for number, (name, task) in enumerate(context.config["tasks"].items())
        ]
        results = await evaluate(tasks, context)
        return {"tasks": results, "groups": {"evaluation": evaluation(results)}}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric that a task asks for: its name in results, its measure and its params."""

    name: str
    measure: Measure
    params: MeasureParams


def wanted(task: Document, path: str) -> list[Wanted]:
    """The metrics of the task at `path`. Raises InvalidArgument with all that is wrong."""
    findings = Findings()
    found = []
    for name, config in (task.get("metrics") or {}).items():
        with findings.gather():
            found.append(measure_of(name, config, f"{path}.metrics.{name}"))
    check_names(findings, f"{path}.metrics", [metric.name for metric in found])
    findings.raise_any()
    return found


def check_names(findings: Findings, field: str, names: Iterable[str]) -> None:
    """Adds a finding for each name that results would have twice, for prefixes are left out."""
    for name, count in Counter(names).items():
        if count > 1:
            findings.add(field, f"two metrics would be {name!r} in results: rename one")


def measure_of(name: str, config: Document, field: str) -> Wanted:
    """The metric at `field`. Raises InvalidArgument when it is no measure."""
    params = parse(MeasureParams, config.get("params"), f"{field}.params")
    short = name.removeprefix(PREFIX).removeprefix(NAMESPACE)
    kind, at = str(config.get("type") or ""), f"{field}.type"
    if kind == GENERIC:
        kind = params.metric or short
        at = f"{field}.params.metric" if params.metric else at
    try:
        measure = Measure.of(kind.removeprefix(PREFIX))
    except ValueError as e:
        raise InvalidArgument.of(at, str(e)) from None
    return Wanted(short, measure, params)


def metrics_of(found: Iterable[Wanted]) -> dict[str, Metric]:
    """Metrics by their names in results."""
    return {f"{NAMESPACE}{m.name}": TrecEval(m.measure, m.params.relevance_level) for m in found}


def search_task(
    name: str, number: int, task: Document, params: EvaluationParams, context: FlowContext
) -> Work:
    """A task on a collection, all of whose rows are read. Raises EvaluationError."""
    retriever = context.target["retriever"]
    dataset = task.get("dataset") or retriever["dataset"]
    collection, queries = opened_collection(dataset, task["type"], context, name)
    queries = min(queries, params.limit_samples or queries)
    metrics = wanted(task, f"tasks.{name}")
    top_k = found_for(metrics, retriever["pipeline"].get("top_k"), name, context)

    def searched(finder: Finder) -> Task:
        async def answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"retrieved": scores_of(await finder.find(row["query"]))}

        return Task(
            name, queries, rows, answer, Scoreboard(metrics_of(metrics)), params.parallelism
        )

    def rows() -> Iterator[Row]:
        for query in islice(collection.queries(), queries):
            yield {"query_id": query.id, "query": query.text, "relevant": dict(query.relevant)}

    pipeline = retriever["pipeline"]
    return Search(name, str(number), pipeline, collection, queries, params, top_k, searched)


def found_for(metrics: Iterable[Wanted], top_k: int | None, task: str, context: FlowContext) -> int:
    """How many documents are found for each query: `top_k`, or what the measures need. Those that
    need more than that are told of in the log."""
    depth = max((metric.measure.depth for metric in metrics), default=0)
    if top_k and top_k < depth:
        said = f"top_k is {top_k}, and a metric is about the first {depth} documents"
        context.emit.log("warning", f"task {task}: {said}")
    return top_k or depth


def scores_of(found: Iterable[Found]) -> list[dict[str, Any]]:
    """What was found, as it is kept and measured."""
    return [{"id": one.id, "score": one.score} for one in found]


def recorded_task(
    name: str, number: int, task: Document, params: EvaluationParams, context: FlowContext
) -> Work:
    """A task on what was found earlier. Raises EvaluationError."""
    dataset = limited(context.target["retriever"]["cached_outputs"], params.limit_samples)
    count = check_rows(context.datasets, dataset, read_record, name)

    async def answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"retrieved": row["retrieved"]}

    def rows() -> Iterator[Row]:
        return (asdict(read_record(row)) for row in context.datasets.rows(dataset))

    board = Scoreboard(metrics_of(wanted(task, f"tasks.{name}")))
    return Task(name, count, rows, answer, board, params.parallelism)
