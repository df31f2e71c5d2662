"""The README says of the settings what the settings object says."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from evald.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def row(name: str, field: FieldInfo) -> str:
    """The line of the table that belongs to a setting."""
    shown = "" if field.default in (None, ()) else f"`{field.default}`"
    return f"| `EVALD_{name.upper()}` | {shown} | {field.description} |"


def test_settings_table() -> None:
    expected = [row(name, field) for name, field in Settings.model_fields.items()]
    found = [line for line in README.read_text().splitlines() if line.startswith("| `EVALD_")]
    assert found == expected, "the table should be:\n" + "\n".join(expected)
