"""The README says of settings and errors what the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

import evald
from evald.clients.failure import FailureKind
from evald.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RAISED = {"EvaluationError", "ChildDied", "died"}


def row(name: str, field: FieldInfo) -> str:
    """The line of the table that belongs to a setting."""
    shown = "" if field.default in (None, ()) else f"`{field.default}`"
    return f"| `EVALD_{name.upper()}` | {shown} | {field.description} |"


def test_settings_table() -> None:
    expected = [row(name, field) for name, field in Settings.model_fields.items()]
    found = [line for line in README.read_text().splitlines() if line.startswith("| `EVALD_")]
    assert found == expected, "the table should be:\n" + "\n".join(expected)


def kinds(path: Path) -> Iterator[str]:
    """The kinds of errors that a file names when it makes them."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(kind)), *_]):
                if name in RAISED:
                    yield kind
            case ast.Dict(
                keys=[ast.Constant(value="kind"), *_], values=[ast.Constant(value=kind), *_]
            ):
                yield kind


def test_kinds_of_errors() -> None:
    named = {kind for path in Path(evald.__file__).parent.rglob("*.py") for kind in kinds(path)}
    known = named | set(FailureKind) | {"judge", "memory", "processes"}
    section = README.read_text().partition("## Errors")[2].partition("\n## ")[0]
    tables = section.partition("A job's or a sample's")[2]
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == known


def test_every_folder_has_its_place() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(table)))
    folders = {path.parent.name for path in Path(evald.__file__).parent.glob("*/__init__.py")}
    assert named == folders
