"""Similarity metrics: a model's answers, or answers made earlier, against ideal ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.chat import model_task, plain_text
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.params import AskingParams, EvaluationParams, cluster_field, limited, parse
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.metrics.metric import Metric, Scored
from evald.model import Row
from evald.templates import Templates

METRICS = ("accuracy", "bleu", "em", "f1", "rouge")

DEFAULTS = {"ground_truth": "{{ item.ideal_response | tojson }}"}
"""Under the name of the references that gives way to all others that a config may use."""

SCALES: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "bleu": {"corpus": ("bleu_score", 0.01), "sentence": ("sentence_bleu_score", 0.01)},
}
"""What this flow calls a metric's scores, and what they are multiplied by."""


class Renamed(Metric):
    """A metric under this flow's names and scales."""

    type = ""
    range = (0.0, 1.0)

    def __init__(self, metric: Metric, names: Mapping[str, tuple[str, float]]) -> None:
        self._metric = metric
        self._names = names

    def score(self, context: Mapping[str, Any]) -> Scored:
        scored = self._metric.score(context)
        assert isinstance(scored, Scored), "these metrics ask no model"
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
    metrics = METRICS
    task_params = {"*": AskingParams}  # noqa: RUF012

    def check(self, config: Document) -> None:
        check_tasks(config, self._check_task)

    def _check_task(self, findings: Findings, path: str, task: Document) -> None:
        templates = Templates()
        with findings.gather():
            similarity_metrics(task, templates, path)
        params = parse(AskingParams, task.get("params"), f"{path}.params")
        templates.compile(params.template, f"{path}.params.template")

    def check_job(self, target: Document, config: Document) -> None:
        for name, task in config["tasks"].items():
            if target["type"] == "model" and not task.get("dataset"):
                raise InvalidArgument.of(
                    f"config.tasks.{name}.dataset", "say which rows to ask the model about"
                )

    async def run(self, context: FlowContext) -> dict[str, Any]:
        params = parse(EvaluationParams, context.config.get("params"), "params")
        async with AsyncExitStack() as opened:
            make = cached_task if context.target["type"] == "cached_outputs" else asking_task
            tasks = [
                make(name, task, params, context, opened)
                for name, task in context.config["tasks"].items()
            ]
            return {"tasks": await evaluate(tasks, context), "groups": {}}


def similarity_metrics(task: Document, templates: Templates, path: str) -> dict[str, Metric]:
    """The metrics of the task at `path`. Raises InvalidArgument."""
    configs = task.get("metrics") or {}
    made = make_metrics(configs, templates, f"{path}.metrics", kinds=METRICS, defaults=DEFAULTS)
    return {name: Renamed(made[name], SCALES.get(configs[name]["type"], {})) for name in made}


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

    metrics = similarity_metrics(task, Templates(), f"tasks.{name}")
    return Task(
        name,
        context.datasets.count(dataset),
        rows,
        cached_answer,
        Scoreboard(metrics),
        cluster=cluster_field(task, f"tasks.{name}"),
    )


async def cached_answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer that a row carries. Raises EvaluationError of kind `dataset`."""
    for key in ("response", "output_text"):
        given = row.get(key)
        if isinstance(given, str | int | float):
            return {"output_text": str(given), "response": None}
    raise EvaluationError("dataset", "the row has no answer under 'response' or 'output_text'")


def asking_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task that asks the target's model."""
    templates = Templates()
    path = f"tasks.{name}"
    prompt = (task.get("params") or {}).get("template") or "{{ item.prompt }}"
    return model_task(
        name,
        task,
        params,
        context,
        opened,
        template=templates.compile(prompt, f"{path}.params.template"),
        board=Scoreboard(similarity_metrics(task, templates, path)),
        plain_text=plain_text(context.target["model"]),
    )
