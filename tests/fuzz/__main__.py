"""`python -m tests.fuzz --messages N --seed S`: the long run."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import growth
from tests.fuzz.messages import requests
from tests.fuzz.methods import contract, health
from tests.fuzz.raw import altered
from tests.fuzz.rest import Rest
from tests.fuzz.run import Run, target

ROUNDS = 5
"""All that was made is deleted after each; the first warms up, and growth is measured since."""

BYTES, REST, CONVERSATIONS = 5, 20, 100
"""For so many messages there is one of these."""

TURN = 5000
"""Messages until the others have their turn."""

LOG_SHOWN = 10_000
"""Characters of the server's log that are shown with findings."""


def main() -> int:
    """Fuzzes a service of its own; 1 when there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--database-url", help="an empty database; default: SQLite")
    arguments = parser.parse_args()
    url = arguments.database_url
    settings = {"EVALD_DATABASE_URL": url} if url else {}
    say(f"{arguments.messages} messages, seed {arguments.seed}")
    ends = [arguments.messages * number // ROUNDS for number in range(ROUNDS + 1)]
    with (
        TemporaryDirectory(prefix="evald-fuzz-") as folder,
        target(Path(folder, "data"), **settings) as service,
    ):
        run = Run(service)
        started = time.monotonic()
        left = []
        for first, end in pairwise(ends):
            everything(run, first, end, arguments.seed)
            left.append(run.settle())
        seconds = time.monotonic() - started
        log = service.log.read_text(errors="replace")
    say(summary(run))
    sent = sum(counts.total() for counts in run.counts.values())
    say(f"{sent} calls in {seconds:.0f} s, {sent / seconds:.0f} a second")
    say(f"at first: {run.first}")
    for end, held in zip(ends[1:], left, strict=True):
        say(f"left after {end} messages: {held}")
    findings = [*map(str, run.findings), *growth.grown(run.first, left[0], left[-1])]
    for finding in findings[:50]:
        say(f"FOUND {finding}")
    if findings:
        say(log[-LOG_SHOWN:])
    say(f"{len(findings)} findings")
    return 1 if findings else 0


def everything(run: Run, first: int, end: int, seed: int) -> None:
    """The messages from `first` to `end`, and besides them fewer bytes, conversations and REST
    requests, in turns."""
    for start in range(first, end, TURN):
        count, at = min(TURN, end - start), seed + start
        run.play(requests(contract(), run.known), count, at)
        run.play(altered([*contract(), *health()], run.known), count // BYTES, at)
        run.converse(count // CONVERSATIONS, at)
        Rest(run).play(count // REST, at)
        say(f"after {start + count} messages: {growth.held(run.service)}")


def summary(run: Run) -> str:
    """Codes of each method, and its longest call in seconds."""
    return "\n".join(
        f"{name:23} {run.slowest[name]:6.2f} s  "
        + ", ".join(f"{code} {count}" for code, count in counts.most_common())
        for name, counts in sorted(run.counts.items())
    )


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
