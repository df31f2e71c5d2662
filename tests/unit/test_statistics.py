"""Statistics against Python's own and numpy's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evald.flows.bootstrap import Bootstrap, drawn
from evald.flows.members import Members
from evald.statistics import Pairs, Statistics, normal, student_p, student_quantile

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
    stats = of(values).document(failed=3)
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
    stats = of(values).document(failed=0)
    assert stats["mean"] == pytest.approx(np.mean(values), abs=1e-15)
    assert stats["variance"] == pytest.approx(np.var(values), abs=1e-14)
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert stats["stderr"] == pytest.approx(error, abs=1e-14)


def test_a_spread_far_from_zero_does_not_cancel_out() -> None:
    assert of([1e9 + x for x in (4.0, 7.0, 13.0, 16.0)]).document(failed=0)["variance"] == 22.5


def test_a_sum_of_large_and_small_is_compensated() -> None:
    assert of([1.0, 1e100, 1.0, -1e100]).sum == 2.0


def test_no_value() -> None:
    assert Statistics().document(failed=2) == {"count": 0, "nan_count": 2}
    with pytest.raises(ZeroDivisionError):
        _ = Statistics().mean


@pytest.mark.parametrize(
    ("good", "count", "low", "high"),
    [(0, 10, 0.0, 0.27753279), (5, 10, 0.23659309, 0.76340691), (98, 100, 0.92998821, 0.99449803)],
)
def test_interval_of_a_share(good: int, count: int, low: float, high: float) -> None:
    found = of([1.0] * good + [0.0] * (count - good)).interval()
    assert found is not None
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))
    assert found["method"] == "wilson"


def test_interval_of_a_mean() -> None:
    found = of([1.0, 2.0, 4.0, 5.0]).interval()
    assert found is not None
    half = 3.182446305284263 * statistics.stdev([1, 2, 4, 5]) / 2  # t of three degrees of freedom
    assert found["high"] == pytest.approx(3 + half)
    assert found == {"low": pytest.approx(3 - half), "high": found["high"], "level": 0.95,
                     "method": "t"}  # fmt: skip
    assert of([0.5]).interval() is None
    assert Statistics().interval() is None


def test_an_interval_stays_within_what_there_may_be() -> None:
    found = of([0.1, 0.9]).interval((0.0, 1.0))
    assert found is not None
    assert (found["low"], found["high"], found["method"]) == (0.0, 1.0, "t")
    for bounds in ((1.0, 5.0), (-inf, inf)):  # nobody says that these are shares
        found = of([1.0, 1.0, 0.0]).interval(bounds)
        assert found is not None
        assert found["method"] == "t"
    outside = of([0.5, 1.5]).interval((0.0, 1.0))
    assert outside is not None
    assert (outside["low"], outside["high"]) == (0.0, 1.5)


@pytest.mark.parametrize(
    ("draw", "method"),
    [
        (lambda rng: (rng.random(30) < 0.8) * 1.0, "wilson"),
        (lambda rng: rng.gamma(4.0, size=30) / 5, "t"),
    ],
)
def test_intervals_cover_the_truth_as_often_as_they_say(draw: Any, method: str) -> None:
    rng, covered = np.random.default_rng(7), 0
    for _ in range(2000):
        found = of([float(value) for value in draw(rng)]).interval()
        assert found is not None
        assert found["method"] == method
        covered += found["low"] <= 0.8 <= found["high"]
    assert 0.93 < covered / 2000 < 0.97


@given(VALUES)
def test_clusters_of_one_are_no_clusters(values: list[float]) -> None:
    alone = Statistics()
    for cluster, value in enumerate(values):
        alone.add(value, cluster)
    together = of(values)
    if len(values) > 1:
        error = max(map(abs, values)) * 1e-12
        assert alone.stderr == pytest.approx(together.stderr, rel=1e-6, abs=error)
    else:
        assert alone.stderr is None


def test_clusters_by_the_double_sum() -> None:
    """As the formula is written: all pairs of deviations within a cluster."""
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 12, 200)
    values = rng.normal(size=200) + clusters / 4
    kept = Statistics()
    for value, cluster in zip(values, clusters, strict=True):
        kept.add(float(value), int(cluster))
    same = clusters[:, None] == clusters[None, :]
    deviations = values - values.mean()
    square = (np.outer(deviations, deviations) * same).sum() / 200**2 * 12 / 11
    assert kept.stderr == pytest.approx(math.sqrt(square))


@pytest.mark.parametrize("t", [1e-9, 1e-3, 0.5, 1.0, 2.0, 7.0, 300.0, 1e9])
def test_students_distribution_where_it_has_a_closed_form(t: float) -> None:
    assert student_p(t, 1) == pytest.approx(2 / math.pi * math.atan(1 / t), rel=1e-12)
    rest = (2 / (2 + t * t)) / (1 + t / math.sqrt(2 + t * t))  # 1 - t / sqrt(2 + t * t)
    assert student_p(t, 2) == pytest.approx(rest, rel=1e-12)
    assert student_p(-t, 2) == student_p(t, 2)
    assert student_p(t, 10**9) == pytest.approx(math.erfc(t / math.sqrt(2)), rel=1e-5, abs=1e-300)


@pytest.mark.parametrize("freedom", [3, 4, 9, 30, 1000])
@pytest.mark.parametrize("t", [0.1, 1.0, 2.5])
def test_students_distribution_by_integration(freedom: int, t: float) -> None:
    x = np.linspace(0, t, 20_001)
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    scale = math.exp(log_scale) / math.sqrt(math.pi * freedom)
    within = 2 * scale * np.trapezoid((1 + x * x / freedom) ** (-(freedom + 1) / 2), x)
    assert student_p(t, freedom) == pytest.approx(1 - within, abs=1e-8)


def test_no_distance_is_certain() -> None:
    assert student_p(0.0, 5) == 1.0


@pytest.mark.parametrize(
    ("freedom", "level", "published"),
    [
        (1, 0.95, 12.706),
        (1, 0.999, 636.619),
        (2, 0.95, 4.303),
        (5, 0.99, 4.032),
        (10, 0.95, 2.228),
        (30, 0.95, 2.042),
        (120, 0.95, 1.980),
        (120, 0.999, 3.373),
        (10**7, 0.95, 1.960),
    ],
)
def test_quantiles_are_those_of_the_tables(freedom: int, level: float, published: float) -> None:
    quantile = student_quantile(freedom, level)
    assert quantile == pytest.approx(published, abs=5.1e-4)
    assert student_p(quantile, freedom) == pytest.approx(1 - level, rel=1e-6)


def paired(values: list[tuple[float, float]]) -> dict[str, float]:
    pairs = Pairs()
    for baseline, candidate in values:
        pairs.add(baseline, candidate)
    return pairs.document()


def test_students_own_example() -> None:
    """Hours of sleep that two drugs gained, from Student (1908), as every textbook has them."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    told = paired(list(zip(first, second, strict=True)))
    assert told["pairs"] == 10
    assert (told["wins"], told["losses"], told["ties"]) == (9, 0, 1)
    assert told["baseline_mean"] == pytest.approx(0.75)
    assert told["candidate_mean"] == pytest.approx(2.33)
    assert told["difference"] == pytest.approx(1.58)
    assert told["difference"] / told["stderr"] == pytest.approx(4.0621, abs=5e-5)
    assert told["p_value"] == pytest.approx(0.002833, abs=5e-7)
    assert told["interval_low"] == pytest.approx(0.7001142, abs=5e-8)
    assert told["interval_high"] == pytest.approx(2.4598858, abs=5e-8)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=50))
def test_pairs_like_numpy(values: list[tuple[float, float]]) -> None:
    told = paired(values)
    baseline, candidate = np.array(values).T
    differences = candidate - baseline
    assert told["difference"] == pytest.approx(differences.mean(), abs=1e-10)
    error = differences.std(ddof=1) / math.sqrt(len(values))
    assert told["stderr"] == pytest.approx(error, rel=1e-7, abs=1e-10)
    assert told["interval_low"] <= told["difference"] <= told["interval_high"]
    assert told["wins"] + told["losses"] + told["ties"] == told["pairs"] == len(values)
    swapped = paired([(b, a) for a, b in values])
    assert swapped["difference"] == -told["difference"]
    assert (swapped["wins"], swapped["losses"]) == (told["losses"], told["wins"])
    assert swapped.get("p_value") == told.get("p_value")
    if "p_value" in told and told["stderr"] > 1e-6:
        excluded = told["interval_low"] > 0 or told["interval_high"] < 0
        assert 0 <= told["p_value"] <= 1
        assert excluded == (told["p_value"] < 0.05)


def test_one_pair_has_no_test() -> None:
    told = paired([(1.0, 3.0)])
    assert told == {
        "pairs": 1,
        "baseline_mean": 1.0,
        "candidate_mean": 3.0,
        "difference": 2.0,
        "wins": 1,
        "losses": 0,
        "ties": 0,
    }


def test_pairs_that_do_not_differ_have_no_p_value() -> None:
    told = paired([(1.0, 1.0), (0.5, 0.5)])
    assert "p_value" not in told
    assert (told["stderr"], told["interval_low"], told["interval_high"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_pairs_that_all_differ_by_the_same_are_as_likely_as_coins(offset: float) -> None:
    told = paired([(i * offset, i * offset + 0.3) for i in range(5)])
    assert told["p_value"] == 2 / 2**5
    assert told["interval_low"] == pytest.approx(told["interval_high"]) == pytest.approx(0.3)


def mean(sums: Mapping[Any, float]) -> dict[str, float]:
    return {"mean": sums[0] / sums[1]}


def bootstrapped(values: Sequence[float], clusters: Sequence[int] | None = None) -> dict[str, Any]:
    kept = Bootstrap()
    for i in np.random.default_rng(len(values)).permutation(len(values)):
        kept.add({0: values[i], 1: 1.0}, int(i), clusters[i] if clusters else None)
    return kept.document(mean)


def test_a_bootstrap_knows_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(3)
    values = [float(v) for v in rng.gamma(4.0, size=400)]
    found, exact = bootstrapped(values)["mean"], of(values)
    assert found["stats"]["stderr"] == pytest.approx(exact.stderr, rel=0.08)
    interval = exact.interval()
    assert interval is not None
    for end in ("low", "high"):
        assert found["interval"][end] == pytest.approx(interval[end], abs=(exact.stderr or 0) / 3)
    assert found["interval"]["method"] == "bootstrap"


def test_a_bootstrap_draws_clusters_together() -> None:
    rng = np.random.default_rng(4)
    clusters = [i // 5 for i in range(500)]
    shared = rng.normal(size=100)
    values = [float(shared[c] + 0.1 * rng.normal()) for c in clusters]
    exact = Statistics()
    for value, cluster in zip(values, clusters, strict=True):
        exact.add(value, cluster)
    found = bootstrapped(values, clusters)["mean"]
    assert found["stats"]["stderr"] == pytest.approx(exact.stderr, rel=0.1)
    assert found["stats"]["stderr"] > 2 * bootstrapped(values)["mean"]["stats"]["stderr"]
    assert found["interval"]["method"] == "clustered_bootstrap"


def test_a_bootstrap_hangs_on_no_order() -> None:
    values = [1.0, 0.0, 3.0, 2.0, 2.0]
    one, other = Bootstrap(), Bootstrap()
    for i, value in enumerate(values):
        one.add({0: value, 1: 1.0}, i)
    for i, value in reversed(list(enumerate(values))):
        other.add({0: value, 1: 1.0}, i)
    assert one.document(mean) == other.document(mean)


def test_intervals_of_a_bootstrap_cover_the_truth() -> None:
    rng, covered = np.random.default_rng(5), 0
    for _ in range(200):
        kept = Bootstrap()
        for value in rng.gamma(4.0, size=60):
            kept.add({0: float(value), 1: 1.0}, int(rng.integers(2**40)))
        interval = kept.document(mean)["mean"]["interval"]
        covered += interval["low"] <= 4.0 <= interval["high"]
    assert 0.89 < covered / 200 < 0.99


def test_a_sum_is_as_sure_as_the_mean_times_the_number() -> None:
    """Not less, because resamples are of other sizes."""
    kept = Bootstrap()
    values = np.random.default_rng(6).gamma(4.0, size=200)
    for i, value in enumerate(values):
        kept.add({"count": 1.0, "sum": float(value)}, i)
    found = kept.document(lambda sums: {**sums, "mean": sums["sum"] / sums["count"]})
    assert found["count"]["stats"]["stderr"] == 0.0
    assert found["count"]["interval"]["low"] == found["count"]["interval"]["high"] == 200
    assert found["sum"]["stats"]["stderr"] == pytest.approx(math.sqrt(200) * values.std(), rel=0.1)
    mean = found["mean"]["stats"]["stderr"]
    assert found["sum"]["stats"]["stderr"] == pytest.approx(200 * mean)


def test_members_of_samples_without_values() -> None:
    """They count nowhere: one value beside them is no spread."""

    def mean_of(means: Mapping[Any, Any]) -> dict[str, float]:
        return {"mean": statistics.fmean(mean.value for mean in means.values())}

    members = Members()
    members.add({"a": 1.0}, 0)
    members.add({"a": None}, 1)
    members.add({}, 2)
    assert members.known(mean_of) == {}
    members.add({"b": 0.0}, 3)
    assert members.known(mean_of)["mean"]["interval"]["method"] == "bootstrap"


def test_what_a_bootstrap_draws_is_poissons() -> None:
    weights = np.concatenate([drawn(unit) for unit in range(500)])
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.02)
    assert np.mean(weights == 0) == pytest.approx(math.exp(-1), abs=0.005)
    pairs = np.corrcoef([drawn(unit) for unit in range(40)])
    assert np.abs(pairs - np.eye(40)).max() < 0.15


def test_a_bootstrap_of_one_knows_nothing() -> None:
    assert bootstrapped([1.0]) == {}
    assert bootstrapped([1.0, 2.0], [7, 7]) == {}


def test_an_interval_of_an_error() -> None:
    found = normal(0.5, 0.1)
    assert found["high"] == pytest.approx(0.5 + 1.959963984540054 * 0.1)
    assert found["method"] == "normal"
