"""`python -m tests.robustness`: what is promised, and what was measured.

Runs every scenario, or those named, on each database and executor that it is for, at full length or
`--short`, and ends with 1 if a promise was not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.robustness.scenarios import ALL, DATABASES, EXECUTORS
from tests.robustness.world import Figure, Run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[[], *ALL], help="all unless said")
    parser.add_argument("--database", choices=DATABASES, help="both unless said")
    parser.add_argument("--executor", choices=EXECUTORS, help="both unless said")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true", help="as in make test")
    given = parser.parse_args()
    broken, began = 0, time.monotonic()
    for executor in [given.executor] if given.executor else EXECUTORS:
        for database in [given.database] if given.database else DATABASES:
            for name in given.scenario or ALL:
                if ALL[name].plays(database, executor):
                    broken += show(name, database, executor, given.seed, full=not given.short)
    print(f"\n{time.monotonic() - began:.0f} s")
    print(f"{broken} promises broken" if broken else "every promise was kept")
    return 1 if broken else 0


def show(name: str, database: str, executor: str, seed: int, *, full: bool) -> int:
    """Prints the figures of one scenario; how many promises were broken."""
    print(f"\n{name} on {database}, {executor}, seed {seed}", flush=True)
    began = time.monotonic()
    try:
        figures = measure(name, database, executor, seed, full=full)
    except Exception:  # the others are still worth knowing
        traceback.print_exc()
        figures = [Figure("the scenario comes to its end", "-", "it broke", kept=False)]
    for figure in figures:
        print(line(figure), flush=True)
    print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return sum(verdict(figure) != "kept" for figure in figures if full or figure.tried)


def measure(name: str, database: str, executor: str, seed: int, *, full: bool) -> list[Figure]:
    """The figures of one scenario, on a database and in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="evald-robust-", ignore_cleanup_errors=True) as folder:
        run = Run(Path(folder), database, executor, seed, full)
        with run.resources:
            ALL[name].play(run)
        return run.figures


def verdict(figure: Figure) -> str:
    if not figure.tried:
        return "NOT TRIED"
    if not figure.kept:
        return "BROKEN"
    return "kept" if figure.in_time else "LATE"


def line(figure: Figure) -> str:
    said = (verdict(figure), figure.promise, figure.goal, figure.measured)
    return "  {:<9} {} | {} | {}".format(*said)


if __name__ == "__main__":
    sys.exit(main())
