"""Jobs whose child processes do harm."""

from __future__ import annotations

import time
from collections import Counter

import psutil

from tests.robustness.checker import History, parsed
from tests.robustness.timeline import entered
from tests.robustness.world import Run
from tests.service import Service

ENDS = {
    "memory": "memory",
    "segfault": "crash",
    "fork_bomb": "processes",
    "shout": "output",
    "endless": "deadline",
    "stubborn": "deadline",
}
"""What a flow does, and the kind of error that its job fails with."""

LIMITS = {
    "EVALD_JOB_MEMORY": str(400 * 2**20),
    "EVALD_JOB_PROCESSES": "50",
    "EVALD_JOB_OUTPUT": str(2**22),
    "EVALD_MAX_ATTEMPTS": "1",
    "EVALD_GRACE_SECONDS": "1",
    "EVALD_SLOTS": "6",
    "EVALD_GPUS": "6",
}

GROWTH = 0.1
"""Part by which a server's memory may grow meanwhile."""


def children(run: Run) -> None:
    """Runs flows that take memory, crash, fork, shout, hang and ignore signals."""
    count = run.of(100, 1, postgresql=10)
    service = run.service(**LIMITS)
    run.start(service)
    ended: dict[str, Counter[str]] = {do: Counter() for do in ENDS}
    before = None
    for i in range(count):
        jobs = {
            do: run.harm(service, do, max_runtime=2 if end == "deadline" else 60, gpus=i % 2)
            for do, end in ENDS.items()
        }
        run.await_status(service, list(jobs.values()), "failed")
        for do, job_id in jobs.items():
            ended[do][cause(service, job_id)] += 1
        if i == min(10, count - 1):  # by then it has imported and cached what it needs
            before = resident(service)
    assert before is not None
    after = resident(service)
    run.finish(service, rows=0)
    for do, found in ended.items():
        run.figure(
            f"a flow that does {do.replace('_', ' ')}: the job fails",
            f"as {ENDS[do]}, {count} of {count}",
            ", ".join(f"{kind} {number}" for kind, number in found.items()),
            found == {ENDS[do]: count},
        )
    growth = (after - before) / before
    run.figure(
        "the server's memory stays as it is",
        f"within {GROWTH:.0%}",
        f"{growth:+.1%} of {before // 2**20} MiB",
        growth <= GROWTH,
    )
    chains(run)


def cause(service: Service, job_id: str) -> str:
    """The kind of error that a job failed with."""
    return str(parsed(History.read(service.database).jobs[job_id]["error"])["kind"])


def resident(service: Service) -> int:
    """Bytes of memory that a server holds."""
    return int(psutil.Process(service.pid).memory_info().rss)


def chains(run: Run) -> None:
    """Runs flows whose processes start each other, with as many of them as a job may have by
    default, and sees that limits hold after that."""
    service = run.service(EVALD_MAX_ATTEMPTS="1")
    run.start(service)
    count, ended = run.of(10, 1, postgresql=2), Counter[str]()
    for do in ["chain"] * count + ["fork_bomb"]:
        job_id = run.harm(service, do, max_runtime=60)
        run.await_status(service, [job_id], "failed", seconds=90)
        ended[cause(service, job_id)] += 1
    run.finish(service, rows=0)
    run.figure(
        "a chain of processes ends, and limits hold after it",
        f"as processes, {count + 1} of {count + 1}",
        ", ".join(f"{kind} {number}" for kind, number in ended.items()),
        ended == {"processes": count + 1},
    )


def poison(run: Run) -> None:
    """Runs jobs that always crash their child, with the attempts that a job has by default."""
    attempts, back_off = 3, 2.0
    service = run.service(EVALD_SLOTS="8")
    run.start(service)
    jobs = [run.harm(service, "segfault", gpus=i % 2) for i in range(run.of(50, 2))]
    began = time.monotonic()
    run.await_status(service, jobs, "failed", seconds=300)
    took = time.monotonic() - began
    causes = {cause(service, job_id) for job_id in jobs}
    run.finish(service, rows=0)
    history = History.read(service.database)
    counts = {history.jobs[job_id]["attempt"] for job_id in jobs}
    run.figure(
        f"{len(jobs)} jobs that always crash",
        f"{attempts} attempts each, then failed with the last cause",
        f"{sorted(counts)} attempts, {took:.0f} s",
        counts == {attempts} and causes == {"crash"},
    )
    shares = [
        (again - put_back).total_seconds() / (back_off * 2**i)
        for job_id in jobs
        for i, (put_back, again) in enumerate(
            zip(
                entered(history.events[job_id], "pending")[-2:],
                entered(history.events[job_id], "running")[1:],
                strict=True,
            )
        )
    ]
    run.figure(
        "they wait before each further attempt",
        f"{back_off:g} s, then {2 * back_off:g} s at least",
        f"{min(shares):.2f} of that at least",
        min(shares) >= 1,
    )
