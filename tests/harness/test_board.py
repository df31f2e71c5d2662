"""Scores that are made of pairs of numbers, some of which are not finite."""

from __future__ import annotations

from math import exp, inf, nan
from typing import Any

import pytest

from evald.flows.harness_board import Board
from evald.harness.results import ratio_of


def perplexity(pairs: list[Any]) -> float:
    """As lm-eval has it."""
    return exp(-sum(a for a, _ in pairs) / sum(b for _, b in pairs))


def board(*pairs: Any) -> Board:
    made = Board({}, {"p": ratio_of(perplexity)})
    for i, pair in enumerate(pairs):
        made.add({"p": {}}, {"p": pair}, None, i)
    return made


@pytest.mark.parametrize("pair", [[None, 7.0], [-inf, 7.0], [nan, 7.0]])
def test_pairs_that_are_not_finite_count_nowhere(pair: Any) -> None:
    """One of an earlier attempt is None: JSON has no infinity."""
    finite = [[-2.0, 3.0], [-5.0, 4.0]]
    found = board(pair, *finite).scores("p")["p"]
    assert found["value"] == pytest.approx(exp(1))
    assert found["interval"]["low"] < found["value"] < found["interval"]["high"]


def test_of_a_value_that_is_not_there_nothing_is_told() -> None:
    metrics: dict[str, Any] = {"p": {"scores": {"p": {"value": None}}}}
    board([-inf, 7.0], [-2.0, 3.0], [-5.0, 4.0]).complete(metrics, (), clustered=False)
    assert metrics == {"p": {"scores": {"p": {"value": None}}}}


def test_ratios_of_what_has_no_words() -> None:
    assert ratio_of(perplexity)([-2.0, 0.0]) == inf
    assert ratio_of(perplexity)([-1e6, 1.0]) == inf
    assert "interval" in board([-2.0, 0.0], [-2.0, 3.0], [-5.0, 4.0]).scores("p")["p"]
