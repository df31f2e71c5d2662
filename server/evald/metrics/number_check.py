"""Number checks."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from evald.errors import InvalidArgument
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.suggest import unknown
from evald.templates import Template, Templates, text_of

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "equals": operator.eq,
    "not equals": operator.ne,
    "greater than or equal": operator.ge,
    "greater than": operator.gt,
    "less than or equal": operator.le,
    "less than": operator.lt,
}

ALIASES = {
    "==": "equals",
    "!=": "not equals",
    "<>": "not equals",
    ">=": "greater than or equal",
    "gte": "greater than or equal",
    ">": "greater than",
    "gt": "greater than",
    "<=": "less than or equal",
    "lte": "less than or equal",
    "<": "less than",
    "lt": "less than",
}

DIFFERENCE = "absolute difference"

KNOWN = (*COMPARISONS, *ALIASES, DIFFERENCE)

_RUN = re.compile(r"[.\d]+")

SCIENTIFIC = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+")
"""A text that is one number with an exponent, as Python writes small and large ones."""


class NumberCheckParams(MetricParams):
    """`check` is `[left, operator, right]`, for the operator `absolute difference` followed by
    `"epsilon", e`.

    Left, right and e are templates or numbers. The operator may stand first or second.
    """

    check: list[Any] = Field(min_length=3, max_length=5)


class NumberCheck(Metric):
    """1.0 when a condition on two numbers holds, else 0.0.

    An operand that is a text stands for the last number in it, which has an exponent only if the
    text is nothing else; without one the sample has no value.
    `absolute difference` holds when the two are at most epsilon apart.
    """

    type = "number-check"
    range = (0.0, 1.0)
    Params = NumberCheckParams

    def __init__(self, params: NumberCheckParams, templates: Templates) -> None:
        check, rest = params.check, params.check[3:]
        place = 0 if check[0] in KNOWN else 1
        if check[place] not in KNOWN:
            raise InvalidArgument.of(f"check.{place}", unknown(str(check[place]), KNOWN))
        name = ALIASES.get(check[place], check[place])
        if name == DIFFERENCE and (len(rest) != 2 or rest[0] != "epsilon"):
            raise InvalidArgument.of("check.3", f'{DIFFERENCE} needs "epsilon" and a number')
        if name != DIFFERENCE and rest:
            raise InvalidArgument.of("check.3", f"{name} takes no more than two operands")
        self._name = name
        places = [0, 1, 2, 4][: 4 if rest else 3]
        places.remove(place)
        self._operands = [templates.compile(check[i], f"check.{i}") for i in places]

    def score(self, context: Mapping[str, Any]) -> Scored:
        numbers = [last_number(template, context) for template in self._operands]
        if any(number is None for number in numbers):
            return Scored({"number-check": None})
        left, right, *epsilon = (number for number in numbers if number is not None)
        if epsilon:
            return Scored({"number-check": float(abs(left - right) <= epsilon[0])})
        return Scored({"number-check": float(COMPARISONS[self._name](left, right))})


def last_number(template: Template, context: Mapping[str, Any]) -> float | None:
    """The number that a template gives, or the last one in its text."""
    given = template.value(context)
    if isinstance(given, bool) or given is None:
        return None
    if not isinstance(given, int | float):
        text = text_of(given).strip()
        given = text if SCIENTIFIC.fullmatch(text) else number_text(text)
    try:
        number = float(given)
    except (ValueError, OverflowError):  # no number, one such as 1.2.3, or too large a one
        return None
    return number if math.isfinite(number) else None


def number_text(text: str) -> str:
    """The last `[+-]?[.\\d]*\\d+` of a text, which that expression itself would look for in a time
    that grows with the square of the dots in the text."""
    last = ""
    for run in _RUN.finditer(text):
        if digits := run[0].rstrip("."):
            sign = text[run.start() - 1 : run.start()]
            last = sign + digits if sign in ("+", "-") else digits
    return last
