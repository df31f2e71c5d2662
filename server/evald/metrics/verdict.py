"""Scores that a judge gives in its reply: how they are found, and what they are worth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

YES, NO = frozenset({"true", "yes", "y", "1"}), frozenset({"false", "no", "n", "0"})
TRIES = 1000
"""Braces of a reply, from its end, that may begin a JSON object."""

BEGUN, ENDED = "<think>", "</think>"
"""Around thoughts, as most models write them. Where a model's `reasoning_params` have another
`end_token`, its replies come without them."""

Placed = tuple[int, int, dict[str, Any]]
"""Where an object begins in a reply and where it ends, and the object."""

NOWHERE: Placed = (0, 0, {})

SENTENCE_END = " \t\r\n.'\"`"

STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class Unparsed(Exception):
    """A reply does not say what it was asked for."""


PATTERN_LIMIT = 1000
"""Characters of a regular expression: longer ones can take minutes to compile."""


class Parser(BaseModel):
    """How a score is found in a reply.

    `regex` takes the first group of the first match, or the match where there is no group; `match`
    looks at the beginning of the reply alone. `json` reads a JSON object and follows `json_path`
    (`verdict.score`, `scores[0]`). Of a reply that is no JSON as a whole, the last object counts
    that has the path: judges quote first and conclude then. Both look at what comes after thoughts
    in `<think>`; a `</think>` that an object quotes ends none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["regex", "json"] = "json"
    pattern: str | None = None
    method: Literal["search", "match"] = "search"
    json_path: str | None = None

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if len(pattern or "") > PATTERN_LIMIT:
            raise ValueError(f"longer than {PATTERN_LIMIT} characters")
        try:
            re.compile(pattern or "")
        except (re.error, OverflowError) as e:
            raise ValueError(f"not a regular expression: {e}") from None
        except (RecursionError, MemoryError):
            raise ValueError("not a regular expression: nested too deeply") from None
        return pattern

    @model_validator(mode="after")
    def _is_whole(self) -> Parser:
        if self.type == "regex" and not self.pattern:
            raise ValueError("a parser of type regex needs a pattern")
        return self

    def path(self, score: str) -> list[str | int]:
        """Keys that lead to the value of a score in a JSON reply; its own name unless said."""
        if self.json_path is None:
            return [score]
        steps = STEP.findall(self.json_path.removeprefix("$"))
        return [int(index) if index else key for key, index in steps]

    def find(self, score: str, reply: str) -> Any:
        """What the reply says of a score. Raises Unparsed."""
        if self.type == "json":
            return find_json(self.path(score), reply)
        assert self.pattern is not None
        found = getattr(re, self.method)(self.pattern, after_thoughts(reply))
        if not found:
            raise Unparsed(f"nothing in it matches {self.pattern!r}")
        return found[1 if found.re.groups else 0]


class Level(BaseModel):
    """A level of a rubric: what the judge says, and what that is worth."""

    model_config = ConfigDict(extra="allow", frozen=True)

    label: str
    value: float
    description: str | None = None


class ScoreParams(BaseModel):
    """A score: its type, where it stands in the reply, and which values it may have.

    A `rubric` maps labels to values; a `string` is one of `labels`, and each of these becomes a
    score `<score>.<label>` of 0 or 1, whose mean is the part of samples that have it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["int", "float", "bool", "string", "rubric"] = "float"
    parser: Parser = Parser()
    minimum: float | None = None
    maximum: float | None = None
    rubric: list[Level] = Field(default=[])
    labels: list[str] = Field(default=[])

    @field_validator("type", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"integer": "int", "number": "float", "boolean": "bool"}.get(value, value)

    @field_validator("rubric", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return [{"label": label, "value": worth} for label, worth in value.items()]
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> ScoreParams:
        if self.type == "rubric" and not self.rubric:
            raise ValueError("a score of type rubric needs a rubric: labels and their values")
        if self.type == "string" and not self.labels:
            raise ValueError("a score of type string needs the labels that it may have")
        return self

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest value, when they are known."""
        match self.type:
            case "bool":
                return 0.0, 1.0
            case "rubric":
                worth = [level.value for level in self.rubric]
                return min(worth), max(worth)
        if self.minimum is None or self.maximum is None:
            return None
        return self.minimum, self.maximum

    @property
    def value_schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        match self.type:
            case "bool":
                return {"type": "boolean"}
            case "rubric":
                return {"type": "string", "enum": [level.label for level in self.rubric]}
            case "string":
                return {"type": "string", "enum": self.labels}
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        known = {key: bound for key, bound in bounds.items() if bound is not None}
        return {"type": "integer" if self.type == "int" else "number", **known}

    def names(self, name: str) -> list[str]:
        """Names of the values that a score gives."""
        return [f"{name}.{label}" for label in self.labels] if self.type == "string" else [name]

    def read(self, name: str, reply: str) -> dict[str, float]:
        """The values of a score in a reply. Raises Unparsed."""
        said = self.parser.find(name, reply)
        match self.type:
            case "string":
                label = self._one_of(said, self.labels)
                return {f"{name}.{known}": float(known == label) for known in self.labels}
            case "rubric":
                worth = {level.label: level.value for level in self.rubric}
                return {name: worth[self._one_of(said, list(worth))]}
            case "bool":
                return {name: truth(said)}
        return {name: self._within(number(said, whole=self.type == "int"))}

    def _one_of(self, said: Any, labels: list[str]) -> str:
        given = str(said).strip().casefold()
        for label in labels:
            if label.casefold() == given:
                return label
        raise Unparsed(f"{said!r:.80} is none of {', '.join(labels)}")

    def _within(self, value: float) -> float:
        if self.minimum is not None and value < self.minimum:
            raise Unparsed(f"{value:g} is less than {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise Unparsed(f"{value:g} is more than {self.maximum:g}")
        return value


def number(said: Any, *, whole: bool) -> float:
    """Raises Unparsed."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        raise Unparsed(f"{said!r:.80} is no number")
    try:
        value = float(said)
    except (ValueError, OverflowError):
        raise Unparsed(f"{said!r:.80} is no number") from None
    if not math.isfinite(value) or (whole and value != int(value)):
        raise Unparsed(f"{said!r:.80} is no {'whole ' if whole else ''}number")
    return value


def truth(said: Any) -> float:
    """1.0 for yes, 0.0 for no. Raises Unparsed."""
    given = str(said).strip().casefold()
    if given in YES:
        return 1.0
    if given in NO:
        return 0.0
    raise Unparsed(f"{said!r:.80} is neither true nor false")


def after_thoughts(reply: str) -> str:
    """What a model that thinks aloud says after its thoughts: nothing, if they do not end."""
    if ENDED not in reply and not reply.lstrip().startswith(BEGUN):
        return reply
    end = thoughts_end(reply, between_words(reply))
    return reply[end:].lstrip() if end else reply


def thoughts_end(reply: str, found: Sequence[Placed]) -> int:
    """Where the thoughts of a reply end, in which these objects were found. A tag within an object
    is quoted, and so is one with nothing but the end of a sentence after it."""
    limit = len(reply.rstrip(SENTENCE_END)) - 1
    for begin, until, _ in reversed([NOWHERE, *found]):
        if (at := reply.rfind(ENDED, until, limit)) >= 0:
            return at + len(ENDED)
        limit = min(limit, begin)
    return len(reply) if reply.lstrip().startswith(BEGUN) else 0


def find_json(path: list[str | int], reply: str) -> Any:
    """What is at a path of the JSON object that counts. Raises Unparsed."""
    found = None
    for found in objects(reply):
        value: Any = found
        try:
            for key in path:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            continue
        return value
    if found is None:
        raise Unparsed("there is no JSON object in it")
    raise Unparsed(f"its JSON has no {'.'.join(map(str, path))!r}")


def objects(reply: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a reply, after its thoughts, from the last to the first; all of it, if
    that is one."""
    try:
        whole = orjson.loads(reply)
    except orjson.JSONDecodeError:
        whole = None
    if isinstance(whole, dict):
        yield whole
        return
    found = between_words(reply)
    end = thoughts_end(reply, found)
    yield from (value for begin, _, value in reversed(found) if begin >= end)


def between_words(text: str) -> list[Placed]:
    """The JSON objects that stand within a text, and in no other of them, in their order."""
    decoder, begin = json.JSONDecoder(), len(text)
    found: list[Placed] = []
    for _ in range(TRIES):
        begin = text.rfind("{", 0, begin)
        if begin < 0:
            break
        try:
            value, until = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            continue
        while found and found[-1][1] <= until:
            found.pop()
        found.append((begin, until, value))
    return found[::-1]
