"""A live evaluation of 5 rows on a warm server over REST, beside a job of the same and GetJob."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.shared import Rest, custom, judged, service, table

ROUNDS = 60
WARM_UP = 5
POLL_SECONDS = 0.005
GOAL_MS = 100
GOAL_RATIO = 0.5

ROWS = [{"answer": f"word {i}", "ideal_response": f"word {i % 3}"} for i in range(5)]


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Prints the medians and their ratios."""
    target = {"type": "rows", "rows": ROWS}
    config = custom({"type": "data"})
    taken: dict[str, list[float]] = {"GetJob": [], "live": [], "job, polled": []}
    with service() as running:
        rest = Rest(running)
        known = rest.run(target, config, every=POLL_SECONDS).job["id"]
        for _ in range(WARM_UP + ROUNDS):
            taken["GetJob"].append(seconds(lambda: rest.get(known)))
            taken["live"].append(seconds(lambda: rest.live(target, config)))
            job = seconds(lambda: rest.run(target, config, every=POLL_SECONDS))
            taken["job, polled"].append(job)
    medians, lines = {}, []
    for name, times in taken.items():
        medians[name] = statistics.median(times[WARM_UP:]) * 1000
        tenths = statistics.quantiles(times[WARM_UP:], n=10)
        figures = (medians[name], tenths[0] * 1000, tenths[-1] * 1000)
        lines.append([name, *(f"{ms:.1f} ms" for ms in figures)])
    print(f"{ROUNDS} rounds, one call after the other")
    table(["", "median", "fastest tenth", "slowest tenth"], lines)
    judged("live", medians["live"], GOAL_MS, " ms")
    judged("live / job, polled", medians["live"] / medians["job, polled"], GOAL_RATIO)
    print(f"live / GetJob: {medians['live'] / medians['GetJob']:.3g}")


if __name__ == "__main__":
    main()
