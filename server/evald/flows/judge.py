"""The judge of a flow, as its config names it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evald.errors import InvalidArgument
from evald.flows.flow import Document, FlowContext
from evald.flows.params import EvaluationParams, parse
from evald.model import CHAT, COMPLETIONS, Asker, ModelClient, form_of
from evald.templates import Template

FIELD = "params.extra.judge"

NEEDS_JUDGE = (
    'say which model judges: {"model": {"api_endpoint": {"url": "...", "model_id": "..."}}}, or '
    '{"model": "NAMESPACE/NAME"} of a target'
)

ENDPOINT = ("url", "model_id", "api_key")
FLAT = ("parallelism", "max_retries", "request_timeout", "temperature", "top_p", "max_tokens")

DEFAULTS = {"temperature": 0.0, "max_tokens": 2048}
"""What requests to a judge carry where nothing else is said."""

OLD_NAMES = {"max_new_tokens": "max_tokens"}
"""What parameters of a judge were called once."""


class JudgeOptions(BaseModel):
    """`extra` of a judge. `judge_sanity_check` asks it an easy question first."""

    model_config = ConfigDict(extra="allow", frozen=True)

    judge_sanity_check: bool = False


class JudgeParams(BaseModel):
    """`model` is an endpoint (`{"api_endpoint": ...}`) or the id of a model; `params` are as those
    of a config. Older forms have `url`, `model_id` and `api_key` at the top, params beside them, or
    right in `model`, and `inference_params` beside it; newer ones have these in the model's
    `prompt`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str | dict[str, Any]
    params: dict[str, Any] = {}
    extra: JudgeOptions = Field(default=JudgeOptions())

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        model = given.get("model", given)
        if not isinstance(model, Mapping):
            return given
        prompt = mapping(model.get("prompt"))
        stated = {
            **{key: given[key] for key in FLAT if key in given},
            **mapping(prompt.get("inference_params")),
            **mapping(given.get("inference_params")),
        }
        said = {OLD_NAMES.get(k, k): v for k, v in stated.items() if v is not None}
        if "url" in model:
            endpoint = {key: model[key] for key in ENDPOINT if key in model}
            model = {"api_endpoint": endpoint} | ({"prompt": prompt} if prompt else {})
        elif "model" not in given:
            return given
        return {**given, "model": model, "params": {**said, **mapping(given.get("params"))}}


class JudgeExtra(BaseModel):
    """What a flow with a judge reads of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    judge: JudgeParams


def mapping(given: Any) -> Mapping[str, Any]:
    """An object of a config, empty where there is none."""
    return given if isinstance(given, Mapping) else {}


def parse_judge(config: Document) -> JudgeParams:
    """The judge of a config. Raises InvalidArgument."""
    extra = (config.get("params") or {}).get("extra") or {}
    given = extra.get("judge")
    if not given or not isinstance(given, Mapping):
        raise InvalidArgument.of(FIELD, NEEDS_JUDGE)
    return parse(JudgeParams, given, FIELD)


class Judge:
    """An open judge. Of its params, those for the client are its own, else the config's. The config
    has it at `field`. `form` is how it is asked, unless its URL takes the other form alone."""

    def __init__(
        self,
        judge: JudgeParams,
        context: FlowContext,
        opened: AsyncExitStack,
        field: str = FIELD,
        form: str = CHAT,
    ) -> None:
        own = parse(EvaluationParams, judge.params, f"{field}.params")
        shared = parse(EvaluationParams, context.config.get("params"), "params").client()
        given = {key: value for key, value in own.client().items() if key in judge.params}
        self._model = judge.model
        self.form = form_of(judge.model) or form
        self._params = {**DEFAULTS, **own.request()}
        self._client: ModelClient = context.models.open(judge.model, {**shared, **given})
        opened.push_async_callback(self._client.close)

    def asker(self, template: Template) -> Asker:
        """Asks by a template."""
        plain = "prompt" if self.form == COMPLETIONS else "messages"
        return Asker(self._client, template, self._model, params=self._params, plain_text=plain)
