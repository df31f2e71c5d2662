"""Tasks that ask the target's model, and in which form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from evald.errors import EvaluationError
from evald.flows.evaluation import Task
from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams, cluster_field, limited
from evald.flows.scoreboard import Scoreboard
from evald.model import CHAT, COMPLETIONS, PATHS, Asker, ModelClient, form_of
from evald.templates import Template

WORDS = {CHAT: "in chats", COMPLETIONS: "for completions"}
"""How a model is asked, by form."""


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
    client = opened_client(context, params, opened)
    board.open(context.models, params.client(), opened)
    dataset = limited(task["dataset"], params.limit_samples)
    model = context.target["model"]
    return Task(
        name,
        context.datasets.count(dataset),
        lambda: context.datasets.rows(dataset),
        Asker(client, template, model, params=params.request(), plain_text=plain_text),
        board,
        params.parallelism,
        cluster_field(task, f"tasks.{name}"),
    )


def opened_client(
    context: FlowContext, params: EvaluationParams, opened: AsyncExitStack
) -> ModelClient:
    """A client of the target's model; `opened` closes it."""
    client = context.models.open(context.target["model"], params.client())
    opened.push_async_callback(client.close)
    return client


def benchmark_asker(
    context: FlowContext,
    params: EvaluationParams,
    opened: AsyncExitStack,
    *,
    template: Template,
    form: str,
    defaults: Mapping[str, Any],
) -> Asker:
    """Asks the target's model what a benchmark asks, in one form. `defaults` go into each request
    where neither the config nor the model's own parameters say otherwise."""
    model = context.target["model"]
    return Asker(
        opened_client(context, params, opened),
        template,
        model,
        params={**unless_said(defaults, model), **params.request()},
        plain_text=text_in(form),
    )


def unless_said(defaults: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Defaults of requests that the model's own `inference_params` do not say."""
    prompt = model.get("prompt") or {} if isinstance(model, Mapping) else {}
    own = prompt.get("inference_params") or {}
    return {key: value for key, value in defaults.items() if own.get(key) is None}


def asked_in(
    model: Any,
    kind: str,
    forms: Sequence[str] = (CHAT, COMPLETIONS),
    wanted: str | None = None,
) -> str | None:
    """The form in which a model is asked by config type `kind`: the one that the config wants as
    its `model_type`, the only one of `forms`, or what the endpoint's path tells; None where all
    leave it open. Raises EvaluationError when these do not agree."""
    told = form_of(model)
    form = wanted or (forms[0] if len(forms) == 1 else told)
    if form and told and told != form:
        other = f", or set params.extra.model_type to {told!r}" if told in forms else ""
        raise EvaluationError(
            "request",
            f"{kind} asks {WORDS[form]}, which cannot go to an api_endpoint.url that ends in "
            f"{PATHS[told]}: leave that end away, or make it {PATHS[form]}{other}",
        )
    return form


def plain_text(model: Any) -> str:
    """Whether a prompt is sent as it is or as a chat, which the endpoint's path tells."""
    return text_in(form_of(model))


def text_in(form: str | None) -> str:
    """What a template that gives a text is in a form: the prompt, or a message of a chat."""
    return "prompt" if form == COMPLETIONS else "messages"
