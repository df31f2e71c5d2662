"""pass@k against values worked out by hand and by counting."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest

from evald.code.passk import pass_at


@pytest.mark.parametrize(
    ("k", "n", "c", "value"),
    [
        (1, 1, 0, 0.0),
        (1, 1, 1, 1.0),
        (1, 10, 3, 0.3),
        (10, 10, 1, 1.0),
        (2, 5, 2, 0.7),
        (100, 200, 1, 0.5),
        (10, 200, 200, 1.0),
    ],
)
def test_known_values(k: int, n: int, c: int, value: float) -> None:
    assert pass_at(k, n, c) == value


def test_it_is_the_part_of_all_choices_that_have_a_program_that_passes() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                choices = list(combinations(range(n), k))
                good = sum(any(i < c for i in choice) for choice in choices)
                assert pass_at(k, n, c) == pytest.approx(Fraction(good, len(choices)))
