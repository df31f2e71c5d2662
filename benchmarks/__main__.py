"""Runs benchmarks by name, all of them by default, and prints what they measure.

`--write` puts what they print into RESULTS.md too, in place of what they printed before.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = (
    "turnaround", "throughput", "memory", "model_client", "live", "listing", "watchers",
    "retrieval", "retrieval_memory", "search", "local_models", "scores", "harness_start",
)  # fmt: skip
RESULTS = Path(__file__).with_name("RESULTS.md")

HEAD = """\
# Measurements

Written by `python -m benchmarks --write`. Whatever is compared was measured in turns in the same
run. On another machine, or a busy one, seconds differ much, ratios less.
"""


class Tee(io.StringIO):
    """Prints what is written, and keeps it."""

    def write(self, text: str) -> int:
        print(text, end="", file=sys.__stdout__, flush=True)
        return super().write(text)


def run(name: str) -> str:
    """Runs a benchmark; answers its section of RESULTS.md, below its heading."""
    benchmark = importlib.import_module(f"benchmarks.{name}")
    with contextlib.redirect_stdout(Tee()) as printed:
        benchmark.main()
        print()
    text = printed.getvalue().strip("\n")
    machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"
    made = f"{datetime.now(UTC).date()}, {machine}, Python {platform.python_version()}:"
    return f"{benchmark.__doc__.strip()}\n\n{made}\n\n```text\n{text}\n```\n"


def written() -> dict[str, str]:
    """The sections of RESULTS.md by their headings."""
    _, *sections = RESULTS.read_text().split("\n## ")
    parted = (section.partition("\n\n") for section in sections)
    return {name: text.rstrip("\n") + "\n" for name, _, text in parted}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no {', '.join(unknown)}, only {', '.join(NAMES)}")
    made = {name: run(name) for name in given.names or NAMES}
    if given.write:
        sections = {**written(), **made}
        known = [f"## {name}\n\n{sections[name]}" for name in NAMES if name in sections]
        RESULTS.write_text("\n".join([HEAD, *known]))


if __name__ == "__main__":
    main()
