"""RAG: contexts are found for questions, a model answers from them, and both are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from evald.errors import InvalidArgument
from evald.flows.chat import plain_text
from evald.flows.door import check_rows
from evald.flows.evaluation import Answer, Task, evaluate, no_answer
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.judge import Judge, JudgeParams
from evald.flows.params import EvaluationParams, limited, parse
from evald.flows.scoreboard import Scoreboard
from evald.model import Asker, Embedder, Row
from evald.rag.answering import PROMPT, Answering, Ordering, given
from evald.rag.catalog import ALIASES, METRICS
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample, unfolded
from evald.suggest import unknown
from evald.templates import Templates

PREFIX = "rag_"
"""What newer configs put before the names of these metrics."""

NAMESPACE = "rag."
"""What stands before their names in the results of tasks."""

GENERIC = "ragas"
"""A type for all of them, whose `params.metric` or name says which."""


class RagTaskParams(BaseModel):
    """`params` of a task. The judge is asked `judge_max_workers` questions at once, each for
    `judge_timeout` seconds a try. `template` is what the model is asked, with `question` and
    `contexts`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    judge_llm: dict[str, Any] | str | None = None
    judge_embeddings: dict[str, Any] | str | None = None
    judge_timeout: int = Field(300, ge=1)
    judge_max_retries: int = Field(5, ge=0, le=20)
    judge_max_workers: int = Field(16, ge=1, le=1024)
    template: Any = PROMPT

    def judge(self, path: str) -> JudgeParams | None:
        """The judge of the task at `path`. Raises InvalidArgument."""
        if self.judge_llm is None:
            return None
        given = {"model": self.judge_llm, "params": self.client}
        return parse(JudgeParams, given, f"{path}.params.judge_llm")

    @property
    def client(self) -> dict[str, Any]:
        """What clients of the judge's models are opened with."""
        return {
            "parallelism": self.judge_max_workers,
            "max_retries": self.judge_max_retries,
            "request_timeout": self.judge_timeout,
        }


class Rag(Flow):
    """Metrics of RAGAS, by a judge, of answers that a model makes from contexts, or that were made
    earlier.

    Targets have answers (`rag.cached_outputs`), or a model and contexts for each question
    (`rag.pipeline`). Rows are in either form of RAGAS, and all are read before anything is asked.
    """

    types = ("rag",)
    targets = dict.fromkeys(("beir", "squad", "ragas"), ("rag",))
    metrics = tuple(METRICS)

    def check(self, config: Document) -> None:
        check_tasks(config, check_task)

    def check_job(self, target: Document, config: Document) -> None:
        Source(target["rag"])

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        params = parse(EvaluationParams, config.get("params"), "params")
        source = Source(context.target["rag"])
        async with AsyncExitStack() as opened:
            tasks = [
                make_task(name, task, source, params, context, opened)
                for name, task in config["tasks"].items()
            ]
            results = await evaluate(tasks, context)
        return {"tasks": results, "groups": {"evaluation": evaluation(results)}}


class Source:
    """Where the rows of a target are, and who answers them. Raises InvalidArgument when a target
    does not say that."""

    def __init__(self, rag: Document) -> None:
        pipeline = rag.get("pipeline")
        self.model: Any = None
        self.ordering: Ordering = "desc"
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
        if not self.dataset:
            raise InvalidArgument.of(field, "say where the rows are: cached_outputs or dataset")


class Wanted:
    """A metric that a task asks for. Raises InvalidArgument with paths below `field`."""

    def __init__(self, name: str, config: Document, field: str) -> None:
        self.name = name.removeprefix(PREFIX)
        kind = str(config.get("type") or "")
        params = config.get("params") or {}
        if kind == GENERIC:
            kind = str(params.get("metric") or name)
        kind = kind.replace("-", "_").removeprefix(PREFIX)
        kind = ALIASES.get(kind, kind)
        if kind not in METRICS:
            raise InvalidArgument.of(f"{field}.type", unknown(kind, METRICS))
        self.made: type[RagMetric] = METRICS[kind]
        self.params = parse(self.made.Params, params, f"{field}.params")
        self.embeds = self.made.embeds(self.params)


def wanted(task: Document, path: str) -> list[Wanted]:
    """The metrics of the task at `path`. Raises InvalidArgument with all that is wrong."""
    findings = Findings()
    found = []
    for name, config in (task.get("metrics") or {}).items():
        with findings.gather():
            found.append(Wanted(name, config, f"{path}.metrics.{name}"))
    findings.raise_any()
    return found


def check_task(findings: Findings, path: str, task: Document) -> None:
    metrics: Sequence[Wanted] = ()
    with findings.gather():
        metrics = wanted(task, path)
    params = parse(RagTaskParams, task.get("params"), f"{path}.params")
    with findings.gather():
        Templates().compile(params.template, f"{path}.params.template")
    with findings.gather():
        params.judge(path)
    if params.judge_llm is None and (asking := [m.name for m in metrics if m.made.asks_judge]):
        findings.add(f"{path}.params.judge_llm", f"say which model judges {', '.join(asking)}")
    if params.judge_embeddings is None and (embedding := [m.name for m in metrics if m.embeds]):
        findings.add(
            f"{path}.params.judge_embeddings",
            f"say which model makes embeddings for {', '.join(embedding)}",
        )


def make_task(
    name: str,
    task: Document,
    source: Source,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task whose rows have all that its metrics need. Raises EvaluationError."""
    path = f"tasks.{name}"
    own = parse(RagTaskParams, task.get("params"), f"{path}.params")
    metrics = wanted(task, path)
    needs = {field for metric in metrics for field in metric.made.needs}
    if source.model:
        needs = needs - {"response"} | {"question", "contexts"}
    dataset = limited(source.dataset, params.limit_samples)
    count = check_rows(
        context.datasets, dataset, lambda row: RagSample.of(row, needs), name, unfold=unfolded
    )
    models = Models(judge_of(own, context, opened, path), embedder_of(own, context, opened))
    board = Scoreboard({f"{NAMESPACE}{m.name}": m.made(models, m.params) for m in metrics})

    def rows() -> Iterator[Row]:
        read = context.datasets.rows(dataset)
        return islice((one for row in read for one in unfolded(row)), dataset.get("limit"))

    answer: Answer = no_answer
    if source.model:
        answer = answering(source, own.template, params, context, opened, path)
    most = dataset.get("limit")
    count = count if most is None else min(count, most)
    return Task(name, count, rows, answer, board, params.parallelism)


def answering(
    source: Source,
    template: Any,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
    path: str,
) -> Answering:
    """Has the target's model answer."""
    client = context.models.open(source.model, params.client())
    opened.push_async_callback(client.close)
    asker = Asker(
        client,
        Templates().compile(template, f"{path}.params.template"),
        source.model,
        params=params.request(),
        plain_text=plain_text(source.model),
    )
    return Answering(asker, given, source.ordering)


def judge_of(
    params: RagTaskParams, context: FlowContext, opened: AsyncExitStack, path: str
) -> Judge | None:
    judge = params.judge(path)
    return Judge(judge, context, opened, f"{path}.params.judge_llm") if judge else None


def embedder_of(
    params: RagTaskParams, context: FlowContext, opened: AsyncExitStack
) -> Embedder | None:
    if params.judge_embeddings is None:
        return None
    client = context.models.embedder(params.judge_embeddings, params.client)
    opened.push_async_callback(client.close)
    return client


def evaluation(results: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of all tasks in one place, where older clients look for them. Of several tasks
    each has its name before its scores."""
    scores = {}
    for task, result in results.items():
        for name, metric in result["metrics"].items():
            short = name.partition(".")[2]
            for score in metric["scores"].values():
                scores[short if len(results) == 1 else f"{task}.{short}"] = score
    return {"metrics": {"evaluation": {"scores": scores}}}
