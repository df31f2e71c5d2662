"""Statistics of a score, kept while values come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist

LEVEL = 0.95
"""Of intervals."""

CLUSTER = " cluster"
"""Under what the `parts` of a sample have the number of its cluster."""

Interval = dict[str, float | str]
"""`{"low", "high", "level", "method"}`."""


def cluster_of(parts: Mapping[str, Sequence[float]]) -> float | None:
    """The number of what a sample with these parts belongs to; None where its config names no
    clusters."""
    return next(iter(parts.get(CLUSTER, ())), None)


class Statistics:
    """Count, sum, mean, spread and extremes of values, in memory that grows with clusters alone.

    Mean and spread follow Welford (1962), which stays exact where the sum of squares would cancel
    out; the sum is compensated (Neumaier 1974). Values that belong together, such as questions on
    one passage, have a cluster in common.
    """

    __slots__ = (
        "_clusters", "_deviations", "_mean", "_rest", "_squares", "_sum", "count", "max", "min",
        "missing",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = 0
        self.missing = 0
        self._clusters: dict[float, list[float]] = {}
        self.min = math.inf
        self.max = -math.inf
        self._sum = self._rest = self._mean = self._deviations = self._squares = 0.0

    def add(self, value: float | None, cluster: float | None = None) -> None:
        """Adds a value; None is one that could not be made."""
        if value is None:
            self.missing += 1
            return
        self.count += 1
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        total = self._sum + value
        big, small = (self._sum, value) if abs(self._sum) >= abs(value) else (value, self._sum)
        self._rest += (big - total) + small
        self._sum = total
        self._squares += value * value
        if cluster is not None:
            summed = self._clusters.setdefault(cluster, [0, 0.0])
            summed[0] += 1
            summed[1] += value
        distance = value - self._mean
        self._mean += distance / self.count
        self._deviations += distance * (value - self._mean)

    @property
    def sum(self) -> float:
        return self._sum + self._rest

    @property
    def mean(self) -> float:
        """Raises ZeroDivisionError when there is no value."""
        return self.sum / self.count

    def document(self, *, failed: int) -> dict[str, float]:
        """The stats of a score. `failed` is how many samples could not be evaluated at all.

        Variance and stddev are the population's; stderr is that of the mean.
        """
        missing = self.missing + failed
        if not self.count:
            return {"count": 0, "nan_count": missing}
        variance = max(self._deviations / self.count, 0.0)
        stats = {
            "count": self.count,
            "sum": self.sum,
            "mean": self.mean,
            "min": self.min,
            "max": self.max,
            "sum_squared": self._squares,
            "variance": variance,
            "stddev": math.sqrt(variance),
            "nan_count": missing,
        }
        if (error := self.stderr) is not None:
            stats["stderr"] = error
        return stats

    @property
    def groups(self) -> int:
        """How many clusters there are, or values where these have none."""
        return len(self._clusters) or self.count

    @property
    def stderr(self) -> float | None:
        """The standard error of the mean, of two values or more.

        With clusters it is the one that Miller, "Adding Error Bars to Evals" (2024), gives, from
        the deviations summed within each cluster, times sqrt(G / (G - 1)) for G clusters: when all
        clusters have one value, that is the ordinary one.
        """
        groups = self.groups
        if groups < 2:
            return None
        deviations = max(self._deviations, 0.0)
        if self._clusters:
            mean = self.mean
            deviations = sum((s - n * mean) ** 2 for n, s in self._clusters.values())
        return math.sqrt(deviations * groups / (groups - 1)) / self.count

    def interval(self, bounds: tuple[float, float] | None = None) -> Interval | None:
        """The mean's 95 % interval, within `bounds`, the least and the greatest value that there
        may be, where these are known.

        For values that can be no others than 0 and 1, as far as one knows, that of Wilson (1927),
        which stays within them and holds for few samples; else by Student's t distribution, for
        clusters with one degree of freedom less than there are. None where there is no standard
        error.
        """
        if not self.count:
            return None
        shares = {self.min, self.max} <= {0.0, 1.0} and self._squares == self.sum
        if shares and not self._clusters and bounds in (None, (0.0, 1.0)):
            low, high = wilson(self.mean, self.count)
            return {"low": low, "high": high, "level": LEVEL, "method": "wilson"}
        if (error := self.stderr) is None:
            return None
        half = error * student_quantile(self.groups - 1)
        method = "clustered_t" if self._clusters else "t"
        low, high = self.mean - half, self.mean + half
        if bounds is not None:
            low, high = max(low, min(bounds[0], self.min)), min(high, max(bounds[1], self.max))
        return {"low": low, "high": high, "level": LEVEL, "method": method}


def wilson(share: float, count: int) -> tuple[float, float]:
    """The interval of a share by Wilson, "Probable Inference" (1927)."""
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    square = z * z / count
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(share * (1 - share) * square + square * square / 4) / (1 + square)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def normal(value: float, stderr: float) -> Interval:
    """The interval of a score of which no more than its standard error is known."""
    half = stderr * NormalDist().inv_cdf((1 + LEVEL) / 2)
    return {"low": value - half, "high": value + half, "level": LEVEL, "method": "normal"}


NOISE = 1e-9
"""A spread that is so small a part of the mean is rounding."""


class Pairs:
    """The same things measured twice, by a baseline and a candidate, in constant memory.

    Whether the difference is more than chance is judged by the paired t-test (Student 1908), which
    Miller, "Adding Error Bars to Evals" (2024), recommends for two models on the same questions:
    how hard the questions are drops out of the differences. Their mean over its standard error has
    Student's t distribution with one degree of freedom less than there are pairs, or clusters of
    pairs where these belong together.
    """

    __slots__ = ("_baseline", "_candidate", "_differences", "_losses", "_wins")

    def __init__(self) -> None:
        self._baseline = Statistics()
        self._candidate = Statistics()
        self._differences = Statistics()
        self._wins = self._losses = 0

    def add(self, baseline: float, candidate: float, cluster: float | None = None) -> None:
        self._baseline.add(baseline)
        self._candidate.add(candidate)
        self._differences.add(candidate - baseline, cluster)
        self._wins += candidate > baseline
        self._losses += candidate < baseline

    def document(self) -> dict[str, float]:
        """How the two differ, for one pair or more. Raises ZeroDivisionError for none.

        With one pair, or cluster, there is no test. When all differ by the same, t has no value,
        and the p-value is that of the sign-flip permutation test (Fisher 1935): of the 2^n ways to
        swap the two within pairs, two lead to a difference as great. When no pair differs there is
        none.
        """
        count = self._differences.count
        difference = self._differences.mean
        compared = {
            "pairs": count,
            "baseline_mean": self._baseline.mean,
            "candidate_mean": self._candidate.mean,
            "difference": difference,
            "wins": self._wins,
            "losses": self._losses,
            "ties": count - self._wins - self._losses,
        }
        groups, error = self._differences.groups, self._differences.stderr
        if error is None:
            return compared
        half = error * student_quantile(groups - 1)
        compared |= {
            "stderr": error,
            "interval_low": difference - half,
            "interval_high": difference + half,
        }
        if error * math.sqrt(groups) > NOISE * abs(difference):
            compared["p_value"] = student_p(difference / error, groups - 1)
        elif difference:
            compared["p_value"] = math.ldexp(1.0, 1 - groups)
        return compared


def student_p(t: float, freedom: float) -> float:
    """The probability that a value of Student's t distribution is as far from zero as `t`."""
    square = t * t
    return incomplete_beta(
        freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square)
    )


@lru_cache(maxsize=1024)
def student_quantile(freedom: float, level: float = LEVEL) -> float:
    """The value that the size of a value of Student's t distribution does not exceed with the
    probability `level`.

    By Newton's method from the normal distribution's quantile, which is less: as the density falls,
    no step goes too far.
    """
    beyond = 1 - level
    t = NormalDist().inv_cdf(1 - beyond / 2)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    scale /= math.sqrt(math.pi * freedom)
    for _ in range(100):
        density = scale * math.exp(-(freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (student_p(t, freedom) - beyond) / (2 * density)
        t += step
        if step <= 1e-12 * t:
            break
    return t


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function of x, where `rest` is 1 - x without rounding.

    By its continued fraction (DLMF 8.17.22), evaluated by Lentz's method in the form of Thompson
    and Barnett (1986).
    """
    if not x or not rest:
        return float(not rest)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, rest, x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(front + a * math.log(x) + b * math.log(rest)) / a
    fraction, c, d = 1.0, math.inf, 1.0
    for m in range(10_000):
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))
        for part in (odd, even):
            d = 1 / (1 + part * d)
            c = 1 + part / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * fraction
