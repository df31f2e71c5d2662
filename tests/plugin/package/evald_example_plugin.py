"""A flow and a metric that evald finds by their entry points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.templates import Templates


class LengthParams(MetricParams):
    """`text` is a template."""

    text: str


class Length(Metric):
    """Characters of a text."""

    type = "length"
    Params = LengthParams

    def __init__(self, params: LengthParams, templates: Templates) -> None:
        self._text = templates.compile(params.text, "text")

    def score(self, context: Mapping[str, Any]) -> Scored:
        return Scored({"length": float(len(self._text.text(context)))})


class Lengths(Flow):
    """Measures rows."""

    types = ("lengths",)
    targets = {"*": ("rows",)}  # noqa: RUF012, declared a ClassVar by Flow

    def check(self, config: Document) -> None:
        check_tasks(config, self._check_task)

    def _check_task(self, findings: Findings, path: str, task: Document) -> None:
        make_metrics(task.get("metrics") or {}, Templates(), f"{path}.metrics")

    async def run(self, context: FlowContext) -> dict[str, Any]:
        rows = context.target["rows"]
        tasks = [
            Task(
                name,
                len(rows),
                lambda: iter(rows),
                no_answer,
                Scoreboard(make_metrics(task["metrics"], Templates(), f"tasks.{name}.metrics")),
            )
            for name, task in context.config["tasks"].items()
        ]
        return {"tasks": await evaluate(tasks, context), "groups": {}}


async def no_answer(row: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
    """There is no model."""
