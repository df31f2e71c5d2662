"""Statistics of a score, kept while values come."""

from __future__ import annotations

import math


class Statistics:
    """Count, sum, mean, spread and extremes of values, in constant memory.

    Mean and spread follow Welford (1962), which stays exact where the sum of squares would cancel
    out; the sum is compensated (Neumaier 1974).
    """

    __slots__ = ("_deviations", "_mean", "_rest", "_squares", "_sum", "count", "max", "min")

    def __init__(self) -> None:
        self.count = 0
        self.min = math.inf
        self.max = -math.inf
        self._sum = self._rest = self._mean = self._deviations = self._squares = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        total = self._sum + value
        big, small = (self._sum, value) if abs(self._sum) >= abs(value) else (value, self._sum)
        self._rest += (big - total) + small
        self._sum = total
        self._squares += value * value
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

    def document(self, *, missing: int) -> dict[str, float]:
        """The stats of a score. `missing` is how many samples have no value.

        Variance and stddev are the population's; stderr is the sample standard deviation over the
        square root of the count, for two values or more.
        """
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
        if self.count > 1:
            stats["stderr"] = math.sqrt(variance / (self.count - 1))
        return stats
