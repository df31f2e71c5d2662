"""Custom evaluation: the user's rows, template and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from evald.flows.chat import model_task
from evald.flows.evaluation import Task, Work, evaluate, no_answer
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.params import AskingParams, EvaluationParams, cluster_field, limited, parse
from evald.flows.prompt_optimization import (
    OptimizationParams,
    check_optimization,
    optimizing_task,
)
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.suggest import unknown
from evald.templates import Templates

OPTIMIZATION = "prompt-optimization"
PLAIN_TEXT = {"completion": "prompt", "chat-completion": "messages"}


class Custom(Flow):
    """Asks a model about each row by a template, or takes rows that have answers already, and
    scores them by the metrics named."""

    types = ("custom",)
    targets = {  # noqa: RUF012, declared a ClassVar by Flow
        "data": ("rows", "dataset"),
        "completion": ("model",),
        "chat-completion": ("model",),
        OPTIMIZATION: ("model",),
    }
    metrics = None
    scores = ("baseline", "optimized")
    task_params = {  # noqa: RUF012
        **dict.fromkeys(PLAIN_TEXT, AskingParams),
        OPTIMIZATION: OptimizationParams,
    }

    def check(self, config: Document) -> None:
        check_tasks(config, self._check_task)

    def _check_task(self, findings: Findings, path: str, task: Document) -> None:
        kind = task.get("type") or ""
        if kind == OPTIMIZATION:
            with findings.gather():
                check_optimization(task, path)
        asks = kind in PLAIN_TEXT
        templates = Templates()
        if kind not in self.targets:
            findings.add(f"{path}.type", unknown(kind, self.targets))
        if kind in (*PLAIN_TEXT, OPTIMIZATION) and not task.get("dataset"):
            findings.add(f"{path}.dataset", "say which rows to ask about")
        with findings.gather():
            make_metrics(task.get("metrics") or {}, templates, f"{path}.metrics")
        template = parse(AskingParams, task.get("params"), f"{path}.params").template
        if asks and not template:
            findings.add(f"{path}.params.template", "say what to ask: messages, a prompt or a text")
        templates.compile(template, f"{path}.params.template")

    async def run(self, context: FlowContext) -> dict[str, Any]:
        params = parse(EvaluationParams, context.config.get("params"), "params")
        async with AsyncExitStack() as opened:
            tasks = [
                MAKERS.get(task["type"], asking_task)(name, task, params, context, opened)
                for name, task in context.config["tasks"].items()
            ]
            return {"tasks": await evaluate(tasks, context), "groups": {}}


def data_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task whose rows have their answers already."""
    board, parallelism = board_of(name, task, Templates()), params.parallelism
    cluster = cluster_field(task, f"tasks.{name}")
    board.open(context.models, params.client(), opened)
    target = context.target
    if target["type"] == "rows":
        given = target["rows"][: params.limit_samples]
        return Task(name, len(given), lambda: iter(given), no_answer, board, parallelism, cluster)
    dataset = limited(target["dataset"], params.limit_samples)
    return Task(
        name,
        context.datasets.count(dataset),
        lambda: context.datasets.rows(dataset),
        no_answer,
        board,
        parallelism,
        cluster,
    )


def asking_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Task:
    """A task that asks a model by the config's template."""
    templates = Templates()
    path = f"tasks.{name}"
    return model_task(
        name,
        task,
        params,
        context,
        opened,
        template=templates.compile(task["params"]["template"], f"{path}.params.template"),
        board=board_of(name, task, templates),
        plain_text=PLAIN_TEXT[task["type"]],
    )


def board_of(name: str, task: Document, templates: Templates) -> Scoreboard:
    """The scoreboard of a task."""
    return Scoreboard(make_metrics(task["metrics"], templates, f"tasks.{name}.metrics"))


MAKERS: Mapping[str, Callable[..., Work]] = {"data": data_task, OPTIMIZATION: optimizing_task}
"""What makes a task, by its type; the others ask a model."""
