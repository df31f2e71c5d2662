"""Statistics against Python's own and numpy's."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evald.statistics import Statistics

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
OFFSETS = st.sampled_from([0.0, 1.0, -1e3, 1e6, 1e9, -1e12])


def of(values: list[float]) -> Statistics:
    kept = Statistics()
    for value in values:
        kept.add(value)
    return kept


@given(VALUES, OFFSETS)
def test_like_pythons_own(values: list[float], offset: float) -> None:
    values = [value + offset for value in values]
    stats = of(values).document(missing=3)
    largest = max(map(abs, values))
    assert stats["count"] == len(values)
    assert stats["nan_count"] == 3
    assert stats["min"] == min(values)
    assert stats["max"] == max(values)
    assert stats["sum"] == pytest.approx(math.fsum(values), rel=1e-15, abs=largest * 1e-15)
    assert stats["mean"] == pytest.approx(statistics.fmean(values), rel=1e-15, abs=largest * 1e-15)
    assert stats["sum_squared"] == pytest.approx(math.fsum(v * v for v in values), rel=1e-12)
    # What doubles can hold of a spread beside an offset: a few units in the last place.
    resolution = (largest * 1e-15) ** 2 + largest * 1e-15 * np.std(values)
    variance = statistics.pvariance(values)
    assert stats["variance"] == pytest.approx(variance, rel=1e-9, abs=10 * resolution)
    assert stats["stddev"] == math.sqrt(stats["variance"])
    if len(values) > 1:
        assert stats["stderr"] ** 2 * (len(values) - 1) == pytest.approx(stats["variance"])
    else:
        assert "stderr" not in stats


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=200))
def test_like_numpys_on_checks(values: list[float]) -> None:
    stats = of(values).document(missing=0)
    assert stats["mean"] == pytest.approx(np.mean(values), abs=1e-15)
    assert stats["variance"] == pytest.approx(np.var(values), abs=1e-14)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert stats["stderr"] == pytest.approx(error, abs=1e-14)


def test_a_spread_far_from_zero_does_not_cancel_out() -> None:
    assert of([1e9 + x for x in (4.0, 7.0, 13.0, 16.0)]).document(missing=0)["variance"] == 22.5


def test_a_sum_of_large_and_small_is_compensated() -> None:
    assert of([1.0, 1e100, 1.0, -1e100]).sum == 2.0


def test_no_value() -> None:
    assert Statistics().document(missing=2) == {"count": 0, "nan_count": 2}
    with pytest.raises(ZeroDivisionError):
        _ = Statistics().mean
