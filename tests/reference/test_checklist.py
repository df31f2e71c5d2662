"""Every row of the checklist is ticked by a test, and no test ticks what is none."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference.rows import ROWS

TESTS = Path(__file__).parents[1]


def ticks(path: Path) -> Iterator[tuple[str, str]]:
    """Row and place of each `reference(...)` in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and name(node.func) == "reference":
            for argument in node.args:
                place = f"{path.relative_to(TESTS)}:{argument.lineno}"
                assert isinstance(argument, ast.Constant), f"{place}: write the row out"
                yield argument.value, place


def name(function: ast.expr) -> str | None:
    match function:
        case ast.Attribute(attr=found) | ast.Name(id=found):
            return found
    return None


@pytest.fixture(scope="module")
def ticked() -> dict[str, set[str]]:
    """The rows of each tick; a `*` stands for any text, for tests of every field of a table."""
    found = {tick: place for path in TESTS.rglob("*.py") for tick, place in ticks(path)}
    return {f"{tick} ({place})": set(fnmatch.filter(ROWS, tick)) for tick, place in found.items()}


def test_every_row_is_ticked(ticked: dict[str, set[str]]) -> None:
    assert ROWS.keys() - set().union(*ticked.values()) == set()


def test_no_test_ticks_what_is_no_row(ticked: dict[str, set[str]]) -> None:
    assert [tick for tick, rows in ticked.items() if not rows] == []
