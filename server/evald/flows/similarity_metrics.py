"""Similarity metrics: a model's answers, or answers made earlier, against ideal ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from evald.errors import EvaluationError
from evald.flows.chat import Asker
from evald.flows.evaluation import Answer, Row, Task, evaluate
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.params import EvaluationParams, Findings, limited, parse
from evald.flows.scoreboard import Scoreboard, make_metric
from evald.metrics.metric import Metric, Scored
from evald.suggest import unknown
from evald.templates import Templates

METRICS = ("accuracy", "bleu", "em", "f1", "rouge")

DEFAULTS = {"references": "{{ item.ideal_response }}", "candidate": "{{ sample.output_text }}"}

SCALES: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "bleu": {"corpus": ("bleu_score", 0.01), "sentence": ("sentence_bleu_score", 0.01)},
}
"""What this flow calls a metric's scores, and what they are multiplied by."""


class Renamed(Metric):
    """A metric under this flow's names and scales."""

    type = ""

    def __init__(self, metric: Metric, names: Mapping[str, tuple[str, float]]) -> None:
        self._metric = metric
        self._names = names

    def score(self, context: Mapping[str, Any]) -> Scored:
        scored = self._metric.score(context)
        return Scored(self._rename(scored.values), scored.parts)

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        return {k: v for k, v in self._rename(self._metric.combine(parts)).items() if v is not None}

    def _rename(self, values: Mapping[str, float | None]) -> dict[str, float | None]:
        renamed = {}
        for name, value in values.items():
            new, scale = self._names.get(name, (name, 1.0))
            renamed[new] = None if value is None else value * scale
        return renamed


class SimilarityMetrics(Flow):
    """Scores answers by how like the rows' `ideal_response` they are, all scores from 0 to 1.

    A model is asked each row's `prompt`. Rows of `cached_outputs` are
    `{"input": {"prompt", "ideal_response"}, "response"}`, or flat with the answer under `response`
    or `output_text`. `bleu_score` is corpus BLEU.
    """

    types = ("similarity_metrics",)
    targets = {"*": ("model", "cached_outputs")}  # noqa: RUF012, declared a ClassVar by Flow

    def check(self, config: Document) -> None:
        findings = Findings()
        with findings.gather():
            parse(EvaluationParams, config.get("params"), "params")
        tasks = config.get("tasks") or {}
        if not tasks:
            findings.add("tasks", "say what to evaluate: at least one task")
        for name, task in tasks.items():
            if not task.get("metrics"):
                findings.add(f"tasks.{name}.metrics", f"say what to measure: {', '.join(METRICS)}")
            with findings.gather():
                similarity_metrics(name, task)
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        params = parse(EvaluationParams, context.config.get("params"), "params")
        async with AsyncExitStack() as opened:
            make = cached_task if context.target["type"] == "cached_outputs" else model_task
            tasks = [
                make(name, task, params, context, opened)
                for name, task in context.config["tasks"].items()
            ]
            return {"tasks": await evaluate(tasks, context), "groups": {}}


def similarity_metrics(name: str, task: Document) -> dict[str, Metric]:
    """The metrics of a task. Raises InvalidArgument with paths from the top of the config."""
    findings = Findings()
    metrics: dict[str, Metric] = {}
    templates = Templates()
    for key, config in (task.get("metrics") or {}).items():
        path = f"tasks.{name}.metrics.{key}"
        kind = config.get("type") or ""
        if kind not in METRICS:
            findings.add(f"{path}.type", unknown(kind, METRICS))
            continue
        with findings.gather():
            metric = make_metric(kind, config.get("params"), templates, path, DEFAULTS)
            metrics[key] = Renamed(metric, SCALES.get(kind, {}))
    findings.raise_any()
    return metrics


def cached_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task on answers made earlier."""
    dataset = limited(context.target["cached_outputs"], params.limit_samples)

    def rows() -> Iterator[Row]:
        for row in context.datasets.rows(dataset):
            asked = row.get("input")
            yield {**row, **asked} if isinstance(asked, Mapping) else row

    return _task(name, task, context.datasets.count(dataset), rows, cached_answer)


async def cached_answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer that a row carries. Raises EvaluationError of kind `dataset`."""
    for key in ("response", "output_text"):
        if isinstance(row.get(key), str):
            return {"output_text": row[key], "response": None}
    raise EvaluationError("dataset", "the row has no answer under 'response' or 'output_text'")


def model_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task that asks the target's model."""
    if not task.get("dataset"):
        raise EvaluationError("dataset", "the task has no data set", task=name)
    model = context.target["model"]
    client = context.models.open(model, params.client())
    opened.push_async_callback(client.close)
    template = Templates().compile(
        (task.get("params") or {}).get("template") or "{{ item.prompt }}", "template"
    )
    asker = Asker(client, template, params, model, plain_text=plain_text(model))
    dataset = limited(task["dataset"], params.limit_samples)
    count = context.datasets.count(dataset)
    return _task(
        name, task, count, lambda: context.datasets.rows(dataset), asker, params.parallelism
    )


def plain_text(model: Any) -> str:
    """Whether a prompt is sent as it is or as a chat, which the endpoint's path tells."""
    endpoint = model.get("api_endpoint") or {} if isinstance(model, Mapping) else {}
    path = str(endpoint.get("url") or "").rstrip("/")
    is_completion = path.endswith("/completions") and not path.endswith("/chat/completions")
    return "prompt" if is_completion else "messages"


def _task(
    name: str,
    task: Document,
    count: int,
    rows: Callable[[], Iterator[Row]],
    answer: Answer,
    parallelism: int = 1,
) -> Task:
    return Task(name, count, rows, answer, Scoreboard(similarity_metrics(name, task)), parallelism)
