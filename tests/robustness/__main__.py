"""`python -m tests.robustness`: what is promised, and what was measured.

Runs every scenario, or those named, at full length or `--short`, and ends with 1 if a promise was
not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.robustness.scenarios import ALL
from tests.robustness.world import Figure, Run

DATABASES = ("sqlite", "postgresql")
EXECUTORS = ("local", "ray")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[[], *ALL], help="all unless said")
    parser.add_argument("--database", choices=DATABASES, help="both unless said")
    parser.add_argument("--executor", choices=EXECUTORS, default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="as in make test")
    given = parser.parse_args()
    broken = 0
    for database in [given.database] if given.database else DATABASES:
        for name in given.scenario or ALL:
            print(f"\n{name} on {database}, {given.executor}, seed {given.seed}", flush=True)
            began = time.monotonic()
            figures = measure(name, database, given.executor, given.seed, full=not given.short)
            for figure in figures:
                print(line(figure), flush=True)
            broken += sum(not (figure.kept and figure.in_time) for figure in figures)
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{broken} promises broken" if broken else "\nevery promise was kept")
    return 1 if broken else 0


def measure(name: str, database: str, executor: str, seed: int, *, full: bool) -> list[Figure]:
    """The figures of one scenario, on a database and in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="evald-robust-") as folder:
        run = Run(Path(folder), database, executor, seed, full)
        with run.resources:
            ALL[name](run)
        return run.figures


def line(figure: Figure) -> str:
    kept = "BROKEN" if not figure.kept else "kept  " if figure.in_time else "LATE  "
    return f"  {kept} {figure.promise} | {figure.goal} | {figure.measured}"


if __name__ == "__main__":
    sys.exit(main())
