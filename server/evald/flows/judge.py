"""The judge of a flow, which its config names under `params.extra.judge`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams, parse
from evald.model import Asker, ModelClient
from evald.templates import Template

FIELD = "params.extra.judge"

ENDPOINT = ("url", "model_id", "api_key")
CLIENT = ("parallelism", "max_retries", "request_timeout")


class JudgeParams(BaseModel):
    """`model` is an endpoint (`{"api_endpoint": ...}`) or the id of a model; `params` are as those
    of a config. An older form has `url`, `model_id` and `api_key` at the top, or right in `model`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str | dict[str, Any]
    params: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        model = given.get("model", given)
        if isinstance(model, Mapping) and "url" in model:
            endpoint = {key: model[key] for key in ENDPOINT if key in model}
            return {**given, "model": {"api_endpoint": endpoint}}
        return given


class JudgeExtra(BaseModel):
    """What a flow with a judge reads of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    judge: JudgeParams


def parse_judge(config: Document) -> JudgeParams:
    """The judge of a config. Raises InvalidArgument."""
    extra = (config.get("params") or {}).get("extra") or {}
    return parse(JudgeParams, extra.get("judge") or {}, FIELD)


class Judge:
    """An open judge. Of its params, those for the client are its own, else the config's."""

    def __init__(
        self, config: Document, context: FlowContext, opened: AsyncExitStack, defaults: Document
    ) -> None:
        judge = parse_judge(config)
        own = parse(EvaluationParams, judge.params, f"{FIELD}.params")
        shared = parse(EvaluationParams, config.get("params"), "params").client()
        given = {key: value for key, value in own.client().items() if key in judge.params}
        self._model = judge.model
        self._params = {**defaults, **own.request()}
        self._client: ModelClient = context.models.open(judge.model, {**shared, **given})
        opened.push_async_callback(self._client.close)

    def asker(self, template: Template) -> Asker:
        """Asks by a template."""
        return Asker(
            self._client, template, self._model, params=self._params, plain_text="messages"
        )
