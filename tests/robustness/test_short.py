"""Scenarios, shortly; `make robust` runs all of them at full length."""

from __future__ import annotations

import pytest

from tests.robustness.__main__ import line, measure
from tests.robustness.scenarios import ALL, LOCAL, POSTGRESQL, SQLITE

LONG = ("claimed-back", "starved", "no-folder", "clock-jumps", "rescues-by-others")
"""Scenarios whose parts have shorter tests of their own."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [name for name in ALL if name not in LONG and ALL[name].plays(SQLITE, LOCAL)]
)
def test_on_sqlite(name: str) -> None:
    check(name, SQLITE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["zombies", "database-restarted", "claims"])
def test_on_postgresql(name: str) -> None:
    check(name, POSTGRESQL)


def check(name: str, database: str) -> None:
    for figure in measure(name, database, LOCAL, 1, full=False):
        assert figure.kept, line(figure)
