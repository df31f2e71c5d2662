"""Requests to models: what the template, the params and the model's own prompt make of a row."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from evald.errors import EvaluationError
from evald.flows.evaluation import Row, Task
from evald.flows.flow import Document, FlowContext, ModelClient
from evald.flows.params import EvaluationParams, limited
from evald.flows.scoreboard import Scoreboard
from evald.metrics.metric import Metric
from evald.templates import Template

DEFAULTS = ("max_tokens", "temperature", "top_p", "top_k", "stop")
"""Keys of a model's `inference_params` that go into requests."""


class Asker:
    """Asks a model about rows.

    A key of the request is taken from the template, else from the config's params, else from the
    model's `prompt.inference_params`. `plain_text` says what a template that gives a text is: a
    `prompt`, or the one user message of a chat.
    """

    def __init__(
        self,
        client: ModelClient,
        template: Template,
        params: EvaluationParams,
        model: Mapping[str, Any] | str,
        *,
        plain_text: str,
    ) -> None:
        prompt: Mapping[str, Any] = model.get("prompt") or {} if isinstance(model, Mapping) else {}
        reasoning = prompt.get("reasoning_params") or {}
        inference = prompt.get("inference_params") or {}
        self._client = client
        self._template = template
        self._plain_text = plain_text
        self._system = prompt.get("system_prompt")
        self._end_token = reasoning.get("end_token")
        self._unfinished = reasoning.get("include_if_not_finished", False)
        self._defaults = {k: inference[k] for k in DEFAULTS if inference.get(k) is not None}
        if reasoning.get("effort"):
            self._defaults["reasoning_effort"] = reasoning["effort"]
        self._defaults |= params.request()

    async def __call__(self, row: Row, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The model's answer: `{"output_text", "response"}`. Raises EvaluationError."""
        reply = await self._client.ask(self.request(context))
        return {"output_text": self._answer(reply.text), "response": reply.response}

    def request(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent for a row. Raises EvaluationError of kind `template`."""
        given = self._template.value(context)
        asked: dict[str, Any]
        match given:
            case str():
                asked = {self._plain_text: given}
                if self._plain_text == "messages":
                    asked = {"messages": [{"role": "user", "content": given}]}
            case list():
                asked = {"messages": given}
            case dict():
                asked = given
            case _:
                asked = {}
        messages, prompt = asked.get("messages"), asked.get("prompt")
        if messages is not None and not isinstance(messages, list):
            raise self._refused("'messages' that are no list; end their text in '| tojson'")
        if not messages and prompt is None:
            raise self._refused("neither 'messages' nor 'prompt'")
        return {**self._defaults, **self._with_system(asked)}

    def _refused(self, given: str) -> EvaluationError:
        return EvaluationError("template", f"{self._template.place} gives {given}")

    def _with_system(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Puts the model's system prompt first, unless the template has one of its own."""
        messages = asked.get("messages")
        if not self._system or not isinstance(messages, list):
            return asked
        if messages and isinstance(messages[0], dict) and messages[0].get("role") == "system":
            return asked
        return {**asked, "messages": [{"role": "system", "content": self._system}, *messages]}

    def _answer(self, text: str) -> str:
        """The text after a reasoning model's thoughts."""
        if not self._end_token:
            return text
        _, found, answer = text.rpartition(self._end_token)
        if found:
            return answer.strip()
        if self._unfinished:
            return text
        raise EvaluationError(
            "response",
            f"the reply ended before {self._end_token!r}: allow more max_tokens, or set "
            "reasoning_params.include_if_not_finished",
        )


def model_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
    *,
    template: Template,
    metrics: Mapping[str, Metric],
    plain_text: str,
) -> Task:
    """A task that asks the target's model about the rows of a data set. `opened` closes the
    client."""
    model = context.target["model"]
    client = context.models.open(model, params.client())
    opened.push_async_callback(client.close)
    dataset = limited(task["dataset"], params.limit_samples)
    return Task(
        name,
        context.datasets.count(dataset),
        lambda: context.datasets.rows(dataset),
        Asker(client, template, params, model, plain_text=plain_text),
        Scoreboard(metrics),
        params.parallelism,
    )
