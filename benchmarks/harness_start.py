"""Seconds until a gsm8k job of lm-eval asks its first question, of the first job on a server, whose
waiting child knows nothing of lm-eval, and of later ones, which waiting children have prepared for,
beside the import of lm-eval alone. `at once` is a first job on a server that has just started,
whose child is still starting too."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.shared import Rest, judged, model, put, service, table
from tests.endpoint import Endpoint

ROUNDS = 3
WARM = 5
"""Jobs after the first one of each server."""

ROWS = 20
POLL_SECONDS = 0.002
GIVEN_UP = 60
SETTLED = 3.0
"""Seconds until a server's first child has nothing more to do."""

COLD_GOAL = 1.0
"""Of the first job, beside the import."""

WARM_GOAL = 1.0
"""Seconds, of a later one."""


def importing() -> float:
    """Seconds that a new Python takes with the module that lm-eval itself begins with."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import lm_eval.evaluator"], check=True)
    return time.perf_counter() - began


def started(rest: Rest, target: object, config: object, endpoint: Endpoint) -> float:
    """Seconds from the creation of a job to its first request; returns when it is completed."""
    asked, began = len(endpoint.requests), time.perf_counter()
    job = rest.create(target, config)  # type: ignore[arg-type]
    while len(endpoint.requests) == asked:
        if time.perf_counter() - began > GIVEN_UP:
            raise RuntimeError(f"the job asked nothing: {rest.get(job['id'])}")
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - began
    while rest.get(job["id"])["status"] != "completed":
        time.sleep(POLL_SECONDS)
    return seconds


def main() -> None:
    """Prints the medians and what they are beside each other."""
    rows = [{"question": f"What is {n} plus {n}?", "answer": f"#### {2 * n}"} for n in range(ROWS)]
    names = ("import lm_eval.evaluator", "first job", "first job, at once", "later")
    taken: dict[str, list[float]] = {name: [] for name in names}
    importing()  # what it reads of the disk is in memory from now on
    for _ in range(ROUNDS):
        taken["import lm_eval.evaluator"].append(importing())
        for wait in (SETTLED, 0.0):
            with Endpoint(reply="#### 1") as endpoint, service() as running:
                task = {"type": "gsm8k", "dataset": put(running, "sums", rows)}
                extra = {"num_fewshot": 2}
                config = {"type": "gsm8k", "params": {"extra": extra}, "tasks": {"sums": task}}
                rest, target = Rest(running), model(endpoint.url)
                time.sleep(wait)
                first = "first job" if wait else "first job, at once"
                taken[first].append(started(rest, target, config, endpoint))
                for _ in range(WARM):
                    taken["later"].append(started(rest, target, config, endpoint))
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    imported = medians["import lm_eval.evaluator"]
    print(f"{2 * ROUNDS} servers, {1 + WARM} jobs of {ROWS} rows each, one after the other")
    table(
        ["", "median", "fastest", "beside the import"],
        [
            [name, f"{median:.2f} s", f"{min(taken[name]):.2f} s", f"{median / imported:.2f}"]
            for name, median in medians.items()
        ],
    )
    judged("first job beside the import", medians["first job"] / imported, COLD_GOAL)
    judged("later jobs", medians["later"], WARM_GOAL, " s")


if __name__ == "__main__":
    main()
