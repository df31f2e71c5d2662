"""Parameters, and slips of the pen in them."""

from __future__ import annotations

from typing import Any

import pytest

from evald.errors import InvalidArgument
from evald.flows.params import EvaluationParams, parse
from evald.metrics.f1 import F1


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (F1.Params, {"refernce": "x"}, "did you mean 'reference'?"),
        (F1.Params, {"reference": "x", "candidat": "y"}, "did you mean 'candidate'?"),
        (EvaluationParams, {"max_token": 5}, "did you mean 'max_tokens'?"),
    ],
)
def test_slip_is_refused_by_name(kind: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match="Unknown field") as e:
        parse(kind, given, "params")
    assert said in e.value.message
    assert e.value.violations[0].field.startswith("params.")


def test_other_unknown_keys_are_left_alone() -> None:
    parsed = parse(F1.Params, {"reference": "x", "model": "m", "note": 1}, "params")
    assert parsed.references == ["x"]
