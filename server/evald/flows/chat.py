"""Tasks that ask the target's model."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from evald.flows.evaluation import Task
from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams, limited
from evald.flows.scoreboard import Scoreboard
from evald.model import COMPLETIONS, Asker, form_of
from evald.templates import Template


def model_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
    *,
    template: Template,
    board: Scoreboard,
    plain_text: str,
) -> Task:
    """A task that asks the target's model about the rows of a data set. `opened` closes the
    client."""
    model = context.target["model"]
    client = context.models.open(model, params.client())
    opened.push_async_callback(client.close)
    board.open(context.models, params.client(), opened)
    dataset = limited(task["dataset"], params.limit_samples)
    return Task(
        name,
        context.datasets.count(dataset),
        lambda: context.datasets.rows(dataset),
        Asker(client, template, model, params=params.request(), plain_text=plain_text),
        board,
        params.parallelism,
    )


def plain_text(model: Any) -> str:
    """Whether a prompt is sent as it is or as a chat, which the endpoint's path tells."""
    return "prompt" if form_of(model) == COMPLETIONS else "messages"
