"""When a server may judge that others are dead."""

from __future__ import annotations

import pytest

from evald.executor.sight import Sight


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(sight: Sight, clock: Clock, *steps: float) -> None:
    for step in steps:
        clock.now += step
        sight.saw()


def test_who_has_just_started_waits_for_a_lease() -> None:
    clock = Clock()
    sight = Sight(30, clock)
    assert not sight.clear
    seen(sight, clock, 0, 10, 10)
    assert not sight.clear
    seen(sight, clock, 10)
    assert sight.clear


@pytest.mark.parametrize(("gap", "clear"), [(19, True), (21, False)])
def test_who_has_not_seen_the_database_waits_again(gap: float, clear: bool) -> None:
    clock = Clock()
    sight = Sight(30, clock)
    seen(sight, clock, 0, 15, 15, gap)
    assert sight.clear is clear
    seen(sight, clock, 15, 15)
    assert sight.clear
