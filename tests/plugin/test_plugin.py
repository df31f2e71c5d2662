"""Flows and metrics of other packages: found by entry point, and told of when they are broken."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"

RUN = """
import asyncio
from evald import registry
from evald.flows.flow import FlowContext

class Emit:
    def __getattr__(self, name):
        return lambda *args: None

config = {
    "type": "lengths",
    "tasks": {"t": {"metrics": {"m": {"type": "length", "params": {"text": "{{ word }}"}}}}},
}
flow = registry.flows()["lengths"]()
flow.check(config)
context = FlowContext(
    config=config,
    target={"type": "rows", "rows": [{"word": "a"}, {"word": "abc"}]},
    datasets=None,
    models=None,
    indexes=None,
    emit=Emit(),
    kept=lambda task: iter(()),
)
print(asyncio.run(flow.run(context))["tasks"]["t"]["metrics"]["m"]["scores"]["length"]["value"])
"""


def installed(path: Path, module: str, entry_points: dict[str, dict[str, str]]) -> None:
    """Lays a package out as pip does."""
    (path / "evald_example_plugin.py").write_text(module)
    info = path / "evald_example_plugin-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: evald-example-plugin\nVersion: 1.0\n"
    )
    lines = [
        line
        for group, entries in entry_points.items()
        for line in [f"[{group}]", *(f"{k} = {v}" for k, v in entries.items())]
    ]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")


def python(path: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_plugin_is_found_and_runs(tmp_path: Path) -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    module = (PACKAGE / "evald_example_plugin.py").read_text()
    installed(tmp_path, module, project["entry-points"])
    found = python(tmp_path, RUN)
    assert found.returncode == 0, found.stderr
    assert found.stdout == "2.0\n"


MODULE = """
from evald.metrics.metric import Metric

class Bleu(Metric):
    type = "bleu"
    def __init__(self, params, templates): ...
    def score(self, context): ...

class Half(Metric):
    type = "half"

class Nameless(Bleu):
    type = None

class Stranger: ...
"""


@pytest.mark.parametrize(
    ("module", "value", "words"),
    [
        ("import no_such_library", "Broken", "ModuleNotFoundError: No module named 'no_such"),
        ("1 / 0", "Broken", "ZeroDivisionError"),
        ("", "Missing", "has no attribute 'Missing'"),
        (MODULE, "Stranger", "is no Metric class"),
        (MODULE, "Half", "is no Metric class that has all of its methods"),
        (MODULE, "Nameless", "evald_example_plugin.Nameless does not say its type"),
        (MODULE, "Bleu", "evald_example_plugin.Bleu and evald.metrics.bleu.Bleu are both called "),
    ],
)
def test_a_broken_plugin_is_named(tmp_path: Path, module: str, value: str, words: str) -> None:
    installed(tmp_path, module, {"evald.metrics": {"mine": f"evald_example_plugin:{value}"}})
    found = python(tmp_path, "from evald import registry; registry.metrics()")
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: ")
    assert words in last
    if "evald.metrics.bleu" not in words and "does not say" not in words:
        assert (
            "plugin 'mine' (evald_example_plugin:"
            f"{value}) of evald-example-plugin 1.0 in evald.metrics" in last
        )
