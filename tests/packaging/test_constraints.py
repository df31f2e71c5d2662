"""constraints.txt pins what `make setup` installs, and nothing heavier."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def normal(requirement: str) -> str:
    """The name of a requirement as package indexes compare it."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in pins)
    assert pins == sorted(pins, key=str.lower)
    pinned = {normal(pin) for pin in pins}
    assert len(pinned) == len(pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["bfcl"],
        *project["project"]["optional-dependencies"]["code"],
        *project["project"]["optional-dependencies"]["gpu"],
        *project["project"]["optional-dependencies"]["harness"],
        *project["project"]["optional-dependencies"]["math"],
        *project["project"]["optional-dependencies"]["postgres"],
        *project["project"]["optional-dependencies"]["ray"],
        *project["project"]["optional-dependencies"]["retrieval"],
        *project["project"]["optional-dependencies"]["s3"],
        *project["dependency-groups"]["dev"],
    ]
    assert {normal(requirement) for requirement in asked} <= pinned
