"""What a prompt is given and what it answers: `question, context -> answer, confidence: float`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evald.errors import EvaluationError, InvalidArgument
from evald.metrics.verdict import Unparsed, after_thoughts, number, truth
from evald.templates import text_of

FIELD = re.compile(r"(\w+)(?:\s*:\s*(\w+))?")
NUMBER = re.compile(
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
)
"""A number in a text, perhaps with a comma before each three digits, or an exponent."""

TYPES = ("str", "int", "float", "bool")


@dataclass(frozen=True, slots=True)
class Signature:
    """Names of the fields that go in, and names and types of those that come out."""

    inputs: tuple[str, ...]
    outputs: Mapping[str, str]

    @classmethod
    def parse(cls, text: str, field: str) -> Signature:
        """Raises InvalidArgument naming `field`."""
        left, arrow, right = text.partition("->")
        if not arrow:
            raise InvalidArgument.of(field, "write it as 'question, context -> answer: int'")
        inputs = tuple(_fields(left, field))
        outputs = _fields(right, field)
        for name, kind in outputs.items():
            if kind not in TYPES:
                raise InvalidArgument.of(
                    field, f"{name}: {kind!r} is not one of {', '.join(TYPES)}"
                )
        return cls(inputs, outputs)

    @property
    def form(self) -> str:
        """Tells a model how to answer."""
        lines = [f"{name}: <{kind}>" for name, kind in self.outputs.items()]
        return "Answer in this form, with nothing else:\n" + "\n".join(lines)

    def ask(self, item: Mapping[str, Any]) -> str:
        """What goes in for a row. Raises EvaluationError of kind `dataset`."""
        return _lines(item, self.inputs)

    def answer(self, item: Mapping[str, Any]) -> str:
        """What should come out for a row that has it. Raises EvaluationError of kind `dataset`."""
        return _lines(item, tuple(self.outputs))

    def read(self, reply: str) -> dict[str, Any]:
        """The values in a reply, after its thoughts. With one field, a reply without its name is
        the value.

        Raises EvaluationError of kind `response`.
        """
        reply = after_thoughts(reply)
        found = {}
        for name, kind in self.outputs.items():
            line = re.search(rf"^\W*{name}\W*:(.*)$", reply, re.MULTILINE | re.IGNORECASE)
            if line is None and len(self.outputs) > 1:
                raise EvaluationError("response", f"the reply has no line '{name}: ...'")
            said = (line[1] if line else reply).strip().strip("*` ")
            try:
                found[name] = _typed(said, kind)
            except Unparsed as e:
                raise EvaluationError("response", f"{name}: {e}") from None
        return found


def _fields(text: str, field: str) -> dict[str, str]:
    fields = {}
    for part in text.split(","):
        found = FIELD.fullmatch(part.strip())
        if not found:
            raise InvalidArgument.of(field, f"{part.strip()!r} is no name, or name: type")
        fields[found[1]] = found[2] or "str"
    return fields


def _typed(said: str, kind: str) -> Any:
    match kind:
        case "int" | "float":
            digits = NUMBER.search(said)
            value = number(digits[0].replace(",", "") if digits else said, whole=kind == "int")
            return int(value) if kind == "int" else value
        case "bool":
            return bool(truth(said))
    return said


def _lines(item: Mapping[str, Any], names: Sequence[str]) -> str:
    missing = [name for name in names if name not in item]
    if missing:
        raise EvaluationError("dataset", f"the row has no field {missing[0]!r}")
    return "\n".join(f"{name}: {text_of(item[name])}" for name in names)
