"""A model that judges samples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from pydantic import Field

from evald.errors import EvaluationError, InvalidArgument
from evald.guard import GuardedSandbox
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.metrics.verdict import ScoreParams, Unparsed
from evald.model import Asker, Models
from evald.structured import StructuredAsker, response_format
from evald.tasks import together
from evald.templates import Templates

KEPT = 8 * 2**10
"""Characters of a reply that are kept with the sample."""

CLIENT = {"parallelism", "max_retries", "request_timeout"}
"""Keys of a judge's `inference_params` that are for the client, not for the request."""

SAME = 1e-9

ANY = (-math.inf, math.inf)
"""Bounds of a score that may be any number: values that happen to be 0 and 1 are no shares."""


class LlmJudgeParams(MetricParams):
    """`model` is the judge: an endpoint, or a name. `template` makes the request, and each of
    `scores` is read from the reply.

    `repeats` asks so many times; the mean counts, and `<score>_stddev` tells the spread. `swap`
    names two fields, such as `["sample.output_text", "item.baseline"]`, and asks again with the two
    exchanged: the second verdict is turned round within the score's range, the mean counts, and
    `<score>_consistency` tells whether both agreed. `structured_output` asks for JSON by schema; by
    default that is tried when all scores are read from JSON, and dropped if the endpoint refuses.
    """

    model: str | dict[str, Any] = Field(
        description='which model judges: {"api_endpoint": {"url": "...", "model_id": "..."}}, or '
        "NAMESPACE/NAME of a target"
    )
    template: Any
    scores: dict[str, ScoreParams] = Field(min_length=1)
    repeats: int = Field(1, ge=1, le=64)
    swap: tuple[str, str] | None = None
    structured_output: bool | None = None


class LlmJudge(Metric):
    """Asks a judge model about each sample and reads scores from its replies.

    A reply that does not say what it was asked for leaves the score without a value, with a problem
    of kind `judge`; the replies are kept with the sample.
    """

    type = "llm-judge"
    Params = LlmJudgeParams

    def __init__(self, params: LlmJudgeParams, templates: Templates) -> None:
        if not params.template:
            raise InvalidArgument.of("template", "say what to ask: messages, or a text")
        self._params = params
        self._template = templates.within(GuardedSandbox()).compile(params.template, "template")
        self._place = self._template.place.removesuffix(".template")
        self._format = self._response_format()
        self._asker: StructuredAsker | None = None
        if params.swap:
            for name, score in params.scores.items():
                if score.type == "string" or score.range is None:
                    raise InvalidArgument.of(
                        f"scores.{name}",
                        "to turn a swapped verdict round, it needs a minimum and a maximum, or to "
                        "be of type bool or rubric",
                    )

    def open(self, models: Models, params: Mapping[str, Any], opened: AsyncExitStack) -> None:
        model = self._params.model
        given: Mapping[str, Any] = {}
        if isinstance(model, Mapping):
            given = (model.get("prompt") or {}).get("inference_params") or {}
        client = models.open(model, {**params, **{k: given[k] for k in CLIENT if k in given}})
        opened.push_async_callback(client.close)
        asker = Asker(client, self._template, model, params={}, plain_text="messages")
        structured = self._params.structured_output
        self._asker = StructuredAsker(
            asker, wanted=structured is not False, required=structured is True
        )

    async def score(self, context: Mapping[str, Any]) -> Scored:
        swap = self._params.swap
        contexts = [context, swapped(context, *swap)] if swap else [context]
        asked = [c for c in contexts for _ in range(self._params.repeats)]
        assert self._asker is not None, "open() comes first"
        replies = await together(self._asker.text(c, self._format) for c in asked)
        values: dict[str, float | None] = {}
        problem = None
        for name, score in self._params.scores.items():
            try:
                read = [score.read(name, reply) for reply in replies]
            except Unparsed as e:
                problem = problem or EvaluationError("judge", f"{self._place}: {name}: {e}")
                for key in score.names(name):
                    values |= dict.fromkeys([key, *self._beside(key)])
            else:
                for key in score.names(name):
                    values |= self._summary(key, score, [found[key] for found in read])
        return Scored(values, notes=[reply[:KEPT] for reply in replies], problem=problem)

    def bounds(self, score: str) -> tuple[float, float] | None:
        if score.endswith("_consistency"):
            return 0.0, 1.0
        found = self._params.scores.get(score)
        if found is not None:
            return found.range or ANY
        return (0.0, 1.0) if score.partition(".")[0] in self._params.scores else ANY

    def _beside(self, key: str) -> Iterator[str]:
        """Names of what tells how far to trust a score."""
        if self._params.swap:
            yield f"{key}_consistency"
        if self._params.repeats > 1:
            yield f"{key}_stddev"

    def _summary(self, key: str, score: ScoreParams, values: list[float]) -> dict[str, float]:
        """The value of a score, and what tells how far to trust it."""
        repeats = self._params.repeats
        summary = {}
        if self._params.swap:
            assert score.range is not None
            values = values[:repeats] + [sum(score.range) - value for value in values[repeats:]]
            one, other = statistics.fmean(values[:repeats]), statistics.fmean(values[repeats:])
            summary[f"{key}_consistency"] = float(abs(one - other) < SAME)
        if repeats > 1:
            runs = [values[i : i + repeats] for i in range(0, len(values), repeats)]
            summary[f"{key}_stddev"] = statistics.fmean(map(statistics.stdev, runs))
        return {key: statistics.fmean(values), **summary}

    def _response_format(self) -> dict[str, Any] | None:
        """What asks for a JSON reply with all scores; None when some are not read from JSON by a
        name at its top."""
        properties = {}
        for name, score in self._params.scores.items():
            path = score.parser.path(name)
            if score.parser.type != "json" or len(path) != 1:
                return None
            properties[str(path[0])] = score.value_schema
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return response_format("verdict", schema)


def swapped(context: Mapping[str, Any], one: str, other: str) -> dict[str, Any]:
    """What templates see, with two fields exchanged. Raises EvaluationError of kind `template`."""
    seen = {**context, "item": dict(context["item"]), "sample": dict(context.get("sample") or {})}
    places = [place(seen, field) for field in (one, other)]
    values = [seen[holder][key] for holder, key in places]
    for (holder, key), value in zip(places, reversed(values), strict=True):
        seen[holder][key] = value
        if holder == "sample" or key not in seen["sample"]:
            seen[key] = value
    return seen


def place(seen: Mapping[str, Any], field: str) -> tuple[str, str]:
    """Where a field is: in `item` or in `sample`, which comes first when it is not said."""
    holder, dot, key = field.partition(".")
    if not dot:
        holder, key = "sample" if field in seen["sample"] else "item", field
    if holder not in ("item", "sample") or key not in seen[holder]:
        raise EvaluationError("template", f"swap: the row has no field {field!r}")
    return holder, key
