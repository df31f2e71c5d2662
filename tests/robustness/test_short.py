"""Every scenario, shortly; `make robust` runs them at full length."""

from __future__ import annotations

import pytest

from tests.robustness.__main__ import line, measure
from tests.robustness.scenarios import ALL

ON_POSTGRESQL = ("zombies", "database-restarted")
"""Scenarios that SQLite has nothing to do with."""


@pytest.mark.parametrize("name", [name for name in ALL if name not in ON_POSTGRESQL])
def test_on_sqlite(name: str) -> None:
    for figure in measure(name, "sqlite", "local", 1, full=False):
        assert figure.kept, line(figure)


@pytest.mark.parametrize("name", ON_POSTGRESQL)
def test_on_postgresql(name: str) -> None:
    for figure in measure(name, "postgresql", "local", 1, full=False):
        assert figure.kept, line(figure)
