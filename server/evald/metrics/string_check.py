"""String checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from evald.errors import InvalidArgument
from evald.metrics.metric import Metric, MetricParams, Scored
from evald.suggest import unknown
from evald.templates import Templates

OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda left, right: left == right,
    "not equals": lambda left, right: left != right,
    "contains": lambda left, right: right in left,
    "not contains": lambda left, right: right not in left,
    "startswith": str.startswith,
    "endswith": str.endswith,
}

ALIASES = {"==": "equals", "!=": "not equals", "<>": "not equals"}


class StringCheckParams(MetricParams):
    """`check` is `[left, operator, right]`; left and right are templates."""

    check: list[Any] = Field(min_length=3, max_length=3)


class StringCheck(Metric):
    """1.0 when a condition on two texts holds, else 0.0; case counts.

    Operators: equals (==), not equals (!=, <>), contains (right in left), not contains, startswith,
    endswith.
    """

    type = "string-check"
    range = (0.0, 1.0)
    Params = StringCheckParams

    def __init__(self, params: StringCheckParams, templates: Templates) -> None:
        left, operator, right = params.check
        name = ALIASES.get(operator, operator) if isinstance(operator, str) else ""
        if name not in OPERATORS:
            known = [*OPERATORS, *ALIASES]
            raise InvalidArgument.of("check.1", unknown(str(operator), known))
        self._holds = OPERATORS[name]
        self._left = templates.compile(left, "check.0")
        self._right = templates.compile(right, "check.2")

    def score(self, context: Mapping[str, Any]) -> Scored:
        holds = self._holds(self._left.text(context), self._right.text(context))
        return Scored({"string-check": float(holds)})
