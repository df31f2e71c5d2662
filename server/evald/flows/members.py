"""Scores that are made of the means of a task's members, such as categories of questions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from evald.flows.bootstrap import Bootstrap


@dataclass(frozen=True, slots=True)
class Mean:
    """Of a member: the mean of its values, and how many there are."""

    value: float
    count: float


Combine = Callable[[Mapping[Any, Mean]], Mapping[str, float]]
"""Makes scores of the means of members."""


class Members:
    """Adds up the values of members, and tells how far scores made of their means may be off."""

    def __init__(self) -> None:
        self._bootstrap = Bootstrap()

    def add(
        self, values: Mapping[Any, float | None], index: int, cluster: float | None = None
    ) -> None:
        """Adds a sample's value for each member that it belongs to. One without values counts
        nowhere: a resample of such samples alone would have no means."""
        numbers = {
            (member, of): number
            for member, value in values.items()
            if value is not None
            for of, number in (("sum", value), ("count", 1.0))
        }
        if numbers:
            self._bootstrap.add(numbers, index, cluster)

    def known(self, combine: Combine) -> dict[str, dict[str, Any]]:
        """`{"stats": {"stderr"}, "interval"}` of each score, by the bootstrap."""

        def combined(sums: Mapping[tuple[Hashable, str], float]) -> Mapping[str, float]:
            counts = {member: n for (member, of), n in sums.items() if of == "count" and n}
            return combine({m: Mean(sums[m, "sum"] / n, n) for m, n in counts.items()})

        return self._bootstrap.document(combined, scaled=False)
