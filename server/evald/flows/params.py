"""Parameters of an evaluation, checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from evald.errors import InvalidArgument, Violation

P = TypeVar("P", bound=BaseModel)

REQUEST_EXTRAS = {
    "chat_template_kwargs", "frequency_penalty", "logit_bias", "logprobs", "min_p", "n", "nvext",
    "presence_penalty", "reasoning_effort", "repetition_penalty", "response_format", "seed",
    "tool_choice", "tools", "top_k", "top_logprobs", "user",
}  # fmt: skip
"""Keys of `extra` that go into each request; other keys are for the flow."""


class EvaluationParams(BaseModel):
    """`params` of a config. Unknown keys are kept and ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)

    limit_samples: int | None = Field(None, ge=1)
    parallelism: int = Field(16, ge=1, le=1024)
    max_retries: int = Field(5, ge=0, le=20)
    request_timeout: int = Field(60, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: list[str] = Field(default=[])
    extra: dict[str, Any] = Field(default={})
    gpus: int = Field(0, ge=0)
    gpu_memory: float | None = Field(None, gt=0)

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    def request(self) -> dict[str, Any]:
        """What every request to the model carries."""
        said = self.model_dump(include={"max_tokens", "temperature", "top_p", "stop"})
        extra = {k: v for k, v in self.extra.items() if k in REQUEST_EXTRAS}
        return {**extra, **{k: v for k, v in said.items() if v is not None and v != []}}

    def client(self) -> dict[str, Any]:
        """What the model client is opened with."""
        return self.model_dump(include={"parallelism", "max_retries", "request_timeout"})


class TaskParams(BaseModel):
    """`params` of a task, of every kind. `cluster` is a field that rows which belong together, such
    as questions on one passage, have in common: errors are reckoned by these clusters. Unknown keys
    are kept and ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)

    cluster: str | None = None


TEMPLATES: JsonValue = [{"type": "object"}, {"type": "array"}, {"type": "string"}]
"""JSON schemas of what a template may be."""


class AskingParams(TaskParams):
    """`params` of a task that asks a model. `template` makes the request of a row: an object with
    `messages` or `prompt`, the messages alone, or a text."""

    template: Any = Field(None, json_schema_extra={"anyOf": TEMPLATES})


def cluster_field(task: Mapping[str, Any], path: str) -> str | None:
    """The field that the rows of the task at `path` are clustered by. Raises InvalidArgument."""
    return parse(TaskParams, task.get("params"), f"{path}.params").cluster


def parse(kind: type[P], params: Any, field: str) -> P:
    """Reads params. Raises InvalidArgument with a path below `field` for each that is wrong.

    Keys that are not known are left alone, for clients send more than a flow reads; but one that
    looks like a slip of the pen for a known one is refused.
    """
    given = params if params is not None else {}
    if slips := list(_slips(kind, given, field)):
        raise refuse(slips)
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        raise refuse(
            Violation(".".join([field, *map(str, error["loc"])]), _told(kind, error))
            for error in e.errors(include_url=False)
        ) from None


def _told(kind: type[BaseModel], error: ErrorDetails) -> str:
    """What is wrong, and of a field that lacks, what it is for."""
    field = kind.model_fields.get(str(error["loc"][0])) if error["type"] == "missing" else None
    return f"{error['msg']}: {field.description}" if field and field.description else error["msg"]


def _slips(kind: type[BaseModel], params: Any, field: str) -> Iterator[Violation]:
    known = set(kind.model_fields)
    for info in kind.model_fields.values():
        if isinstance(info.validation_alias, AliasChoices):
            known |= {str(choice) for choice in info.validation_alias.choices}
    for key in params if isinstance(params, Mapping) else ():
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if near and key not in known:
            message = f"Unknown field {key!r}; did you mean {near[0]!r}?"
            yield Violation(f"{field}.{key}", message)


def refuse(violations: Iterable[Violation]) -> InvalidArgument:
    """The error of several fields at once."""
    found = list(violations)
    return InvalidArgument.all(found)


def limited(dataset: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """A data set of at most so many rows; its own limit counts as well."""
    limits = [n for n in (dataset.get("limit"), limit) if n is not None]
    return {**dataset, "limit": min(limits)} if limits else dict(dataset)
