"""How far scores of a whole data set may be off."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import shake_128
from statistics import quantiles, stdev
from typing import Any

from evald.statistics import LEVEL

RESAMPLES = 1000
"""Of a bootstrap: their 2.5 % quantile is then right to about a half of one per cent."""


class Bootstrap:
    """How far scores of sums may be off, such as BLEU of the n-gram counts of all samples.

    The Poisson bootstrap (Hanley and MacGibbon 2006; Chamandy et al., "Estimating Uncertainty for
    Massive Data Streams", 2012): in each of RESAMPLES a sample counts as often as a number drawn
    from Poisson's distribution of mean 1 says, so that nothing is held but the sums of each. What
    is drawn depends on the sample's number alone, or on its cluster, all of which is drawn
    together: samples may come in any order.

    Resamples differ in size. Where scores are sums themselves, such as the number of all documents
    found, those of a resample are scaled to the number of samples that there are.
    """

    __slots__ = ("_clustered", "_count", "_samples", "_sums", "_units")

    def __init__(self) -> None:
        self._sums: dict[Any, Any] = {}
        self._count = 0
        self._samples: Any = 0.0
        self._units: set[float] = set()
        """Two of them at most."""
        self._clustered = False

    def add(self, numbers: Mapping[Any, float], index: int, cluster: float | None = None) -> None:
        """Adds numbers of the sample of that index to the sums of the same names."""
        unit = index if cluster is None else cluster
        self._clustered = self._clustered or cluster is not None
        weights = drawn(unit)
        self._count += 1
        self._samples = self._samples + weights
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + number * weights
        if len(self._units) < 2:
            self._units.add(unit)

    def document(
        self,
        combine: Callable[[Mapping[Any, float]], Mapping[str, float]],
        *,
        scaled: bool = True,
    ) -> dict[str, dict[str, Any]]:
        """`{"stats": {"stderr"}, "interval"}` of each score that `combine` makes of sums, by the
        spread and the percentiles of the resamples; nothing of fewer than two units. Sums that
        are not `scaled` are exact, and do for scores that hang on no number of samples."""
        found: dict[str, list[float]] = {}
        if len(self._units) < 2:
            return {}
        times, by = (self._count, self._samples.clip(1)) if scaled else (1, 1)
        columns = {name: (sums * times / by).tolist() for name, sums in self._sums.items()}
        for i, samples in enumerate(self._samples.tolist()):
            sums = {name: column[i] for name, column in columns.items()}
            for score, value in combine(sums).items() if samples else ():
                if math.isfinite(value):
                    found.setdefault(score, []).append(value)
        return {
            score: self._known(values)
            for score, values in found.items()
            if len(values) > RESAMPLES / 2
        }

    def _known(self, values: Sequence[float]) -> dict[str, Any]:
        low, *_, high = quantiles(values, n=round(2 / (1 - LEVEL)), method="inclusive")
        method = "clustered_bootstrap" if self._clustered else "bootstrap"
        interval = {"low": low, "high": high, "level": LEVEL, "method": method}
        return {"stats": {"stderr": stdev(values)}, "interval": interval}


def drawn(unit: float) -> Any:
    """How often a unit counts in each resample, an array of RESAMPLES numbers: 16 bits of a hash
    each, turned into Poisson's distribution."""
    import numpy as np

    digest = shake_128(struct.pack("<d", unit)).digest(2 * RESAMPLES)
    return poisson()[np.frombuffer(digest, "<u2")]


@lru_cache(maxsize=1)
def poisson() -> Any:
    """The number that each of 2^16 equally probable values stands for, so that it has Poisson's
    distribution of mean 1, to 2^-16."""
    import numpy as np

    below = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(9)])
    return np.searchsorted(below, (np.arange(2**16) + 0.5) / 2**16).astype(float)
