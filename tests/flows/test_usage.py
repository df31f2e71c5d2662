"""What tasks took of their models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evald.flows.usage import Usage, numbers_of


def of(*samples: list[float]) -> Usage:
    usage = Usage()
    for sample in samples:
        usage.add(sample)
    return usage


def test_sums() -> None:
    found = of([0.5, 0, 10, 3], [1.5, 2, 20, 4]).document()
    assert found is not None
    latency = found.pop("latency")
    assert found == {
        "samples": 2,
        "retries": 2,
        "prompt_tokens": 30,
        "completion_tokens": 7,
        "total_tokens": 37,
    }
    assert (latency["mean"], latency["max"]) == (1.0, 1.5)


@settings(deadline=None)
@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=300))
def test_quantiles_are_right_to_a_part_in_a_hundred(seconds: list[float]) -> None:
    found = of(*([value, 0, 0, 0] for value in seconds)).document()
    assert found is not None
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        exact = np.quantile(seconds, share, method="inverted_cdf")
        assert found["latency"][name] == pytest.approx(exact, rel=0.0101)


def test_nobody_was_asked() -> None:
    assert Usage().document() is None
    assert numbers_of({"output_text": "made earlier", "response": None}) is None


@pytest.mark.parametrize(
    "response", [None, {}, {"usage": None}, {"usage": {"prompt_tokens": None}}, {"usage": "much"}]
)
def test_replies_without_counts(response: object) -> None:
    assert numbers_of({"seconds": 0.5, "response": response}) == [0.5, 0, 0.0, 0.0]


def test_replies_of_one_answer_count_together() -> None:
    usage = [{"prompt_tokens": 3, "completion_tokens": 1}, None, {"prompt_tokens": 4}]
    sample = {"seconds": 2.0, "retries": 1, "usage": usage, "response": {"usage": usage[0]}}
    assert numbers_of(sample) == [2.0, 1, 7.0, 1.0]
