"""A similarity_metrics job of 20 answers on a warm server, from create to completed over REST."""

from __future__ import annotations

import statistics

from benchmarks.shared import Rest, judged, put, service, table

JOBS = 40
WARM_UP = 3
ANSWERS = 20
POLL_SECONDS = 0.005
GOAL_MS = 150

SENTENCE = "the quick brown fox jumps over the lazy dog while a small river runs to the sea"
METRICS = ("accuracy", "bleu", "rouge", "em", "f1")


def answer(index: int) -> dict[str, object]:
    """An answer of a sentence that is nearly right."""
    words = SENTENCE.split()
    ideal = [words[(index + i) % len(words)] for i in range(16)]
    given = [*ideal[: 8 + index % 8], "indeed"]
    asked = {"prompt": f"Say sentence {index}.", "ideal_response": " ".join(ideal)}
    return {"input": asked, "response": " ".join(given), "llm_name": "m"}


def main() -> None:
    """Prints the median and where its time goes."""
    with service() as running:
        rest = Rest(running)
        answers = put(running, "answers", map(answer, range(ANSWERS)))
        target = {"type": "cached_outputs", "cached_outputs": answers}
        task = {"type": "default", "metrics": {name: {"type": name} for name in METRICS}}
        config = {"type": "similarity_metrics", "tasks": {"qa": task}}
        jobs = [rest.run(target, config, every=POLL_SECONDS) for _ in range(WARM_UP + JOBS)][
            WARM_UP:
        ]
    parts = {
        "created to running": [job.between("created", "running") for job in jobs],
        "running to completed": [job.between("running", "completed") for job in jobs],
        "REST and polling": [job.seconds - job.between("created", "completed") for job in jobs],
        "whole": [job.seconds for job in jobs],
    }
    rows = []
    for name, seconds in parts.items():
        tenths = statistics.quantiles(seconds, n=10)
        figures = (statistics.median(seconds), tenths[0], tenths[-1])
        rows.append([name, *(f"{s * 1000:.0f} ms" for s in figures)])
    print(f"{JOBS} jobs of {ANSWERS} answers and {len(METRICS)} metrics, one after the other")
    table(["", "median", "fastest tenth", "slowest tenth"], rows)
    judged("median", statistics.median(parts["whole"]) * 1000, GOAL_MS, " ms")


if __name__ == "__main__":
    main()
