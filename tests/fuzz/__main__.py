"""`python -m tests.fuzz --messages N --seed S`: the long run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import growth
from tests.fuzz.messages import requests
from tests.fuzz.methods import contract
from tests.fuzz.run import Run, target

WARM_UP = 5
"""One in so many messages comes before growth is measured."""


LOG_SHOWN = 10_000
"""Characters of the server's log that are shown with findings."""


def main() -> int:
    """Fuzzes a service of its own; 1 when there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    arguments = parser.parse_args()
    say(f"seed {arguments.seed}")
    with (
        TemporaryDirectory(prefix="evald-fuzz-") as folder,
        target(Path(folder, "data")) as service,
    ):
        run = Run(service)
        started = time.monotonic()
        count, early = arguments.messages, arguments.messages // WARM_UP
        messages = requests(contract(), run.known)
        run.play(messages, early, arguments.seed)
        warm = run.settle()
        run.play(messages, count - early, arguments.seed + early)
        last = run.settle()
        seconds = time.monotonic() - started
        log = service.log.read_text()
    say(summary(run))
    say(f"{count} messages in {seconds:.0f} s, {count / seconds:.0f} a second")
    for name, held in (("at first", run.first), ("warmed up", warm), ("at the end", last)):
        say(f"{name}: {held}")
    findings = [*map(str, run.findings), *growth.grown(run.first, warm, last)]
    for finding in findings[:50]:
        say(f"FOUND {finding}")
    if findings:
        say(log[-LOG_SHOWN:])
    say(f"{len(findings)} findings")
    return 1 if findings else 0


def summary(run: Run) -> str:
    """Codes of each method, and its longest call in seconds."""
    return "\n".join(
        f"{name:20} {run.slowest[name]:6.2f} s  "
        + ", ".join(f"{code} {count}" for code, count in counts.most_common())
        for name, counts in sorted(run.counts.items())
    )


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
