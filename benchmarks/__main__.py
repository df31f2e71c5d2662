"""Runs benchmarks by name, all of them by default, and prints what they measure.

`--write` puts what they print into RESULTS.md too, in place of what is there.
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
    "retrieval",
)  # fmt: skip
RESULTS = Path(__file__).with_name("RESULTS.md")

HEAD = """\
# Measurements

Written by `python -m benchmarks --write` on {date}: {cpus} CPUs, {machine}, Python {python}.
Whatever is compared was measured in turns in the same run. On another machine, or a busy one,
seconds differ much, ratios less.
"""


class Tee(io.StringIO):
    """Prints what is written, and keeps it."""

    def write(self, text: str) -> int:
        print(text, end="", file=sys.__stdout__, flush=True)
        return super().write(text)


def run(name: str) -> str:
    """Runs a benchmark; answers its section of RESULTS.md."""
    benchmark = importlib.import_module(f"benchmarks.{name}")
    with contextlib.redirect_stdout(Tee()) as printed:
        benchmark.main()
        print()
    text = printed.getvalue().strip("\n")
    return f"## {name}\n\n{benchmark.__doc__.strip()}\n\n```text\n{text}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no {', '.join(unknown)}, only {', '.join(NAMES)}")
    sections = [run(name) for name in given.names or NAMES]
    if given.write:
        head = HEAD.format(
            date=datetime.now(UTC).date(),
            cpus=os.cpu_count(),
            machine=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
        )
        RESULTS.write_text("\n".join([head, *sections]))


if __name__ == "__main__":
    main()
