"""The model checker: what must hold of a database once all jobs have ended, whatever happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, create_engine, text

from evald.domain.states import FINAL, HELD, STEPS, JobStatus

COMPLETED = JobStatus.COMPLETED

STATUSES = text("select id, status from job")


@dataclass(frozen=True)
class History:
    """All that a database says of its jobs. Rows are columns by name; `events` and `samples` are by
    job, events in the order of their revisions."""

    jobs: Mapping[str, Mapping[str, Any]]
    events: Mapping[str, Sequence[Mapping[str, Any]]]
    samples: Mapping[str, Sequence[Mapping[str, Any]]]
    results: Mapping[str, Sequence[Mapping[str, Any]]]

    @classmethod
    def read(cls, url: str) -> History:
        with connected(url) as connection:

            def rows(query: str) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(text(query)).mappings()]

            jobs = rows(
                "select id, status, attempt, failures, worker, lease_until, devices, error, gpus "
                "from job"
            )
            events = rows("select * from job_event order by job_id, revision")
            samples = rows('select job_id, task, "index", attempt from sample')
            results = rows("select job_id, tasks from result")
        return cls(
            {row["id"]: row for row in jobs},
            grouped(events),
            grouped(samples),
            grouped([{**row, "tasks": parsed(row["tasks"])} for row in results]),
        )


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to a database, of which nothing is left at the end."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def statuses(url: str) -> dict[str, str]:
    """The states of all jobs by their ids."""
    with connected(url) as connection:
        return {row.id: row.status for row in connection.execute(STATUSES)}


def grouped(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["job_id"], []).append(row)
    return found


def parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


def violations(
    history: History,
    acknowledged: Collection[str],
    *,
    rows: int,
    bare: Collection[str] = (),
    complete: bool = True,
) -> list[str]:
    """What is wrong, one line each.

    Each job that a create was acknowledged of has `rows` samples, of which all are right. With
    `complete`, each of them must have completed; else any end will do, as for the `bare` ones,
    which have no samples.
    """
    known = {*acknowledged, *bare}
    return [
        *(f"{job_id}: acknowledged, and lost" for job_id in known - history.jobs.keys()),
        *(
            f"{job_id}: {said}"
            for job_id, job in history.jobs.items()
            for said in of_job(history, job, 0 if job_id in bare else rows)
        ),
        *(
            f"{job_id}: it {history.jobs[job_id]['status']}, and did not complete"
            for job_id in sorted(acknowledged & history.jobs.keys())
            if complete and history.jobs[job_id]["status"] != COMPLETED
        ),
    ]


def of_job(history: History, job: Mapping[str, Any], rows: int) -> Iterator[str]:
    job_id, status = job["id"], job["status"]
    events = history.events.get(job_id, [])
    yield from of_path([JobStatus(event["status"]) for event in events])
    if not events or events[-1]["status"] != status:
        yield f"it is {status}, and its last event is not"
    if status not in FINAL:
        yield f"it is still {status}"
    if status not in HELD and (job["worker"] or job["lease_until"] or parsed(job["devices"])):
        yield f"it is {status}, and {job['worker']} still has its lease"
    attempts = [event["attempt"] for event in events]
    if attempts != sorted(attempts) or (attempts and attempts[-1] != job["attempt"]):
        yield f"its attempts are out of order: {attempts}"
    yield from of_samples(history.samples.get(job_id, []), job, rows)
    results = history.results.get(job_id, [])
    if len(results) > 1:
        yield f"it has {len(results)} results"
    if status == COMPLETED:
        yield from of_result(results, rows)
    elif any(result["tasks"] for result in results):
        yield f"it is {status}, and has a result"


def of_path(path: Sequence[JobStatus]) -> Iterator[str]:
    """Steps that no job may take, and ends after which something came."""
    if path and path[0] != JobStatus.CREATED:
        yield f"its first event is {path[0]}"
    for before, after in pairwise(path):
        if after not in STEPS[before]:
            yield f"it went from {before} to {after}"
    if sum(state in FINAL for state in path) > 1:
        yield f"it ended more than once: {' '.join(path)}"


def of_samples(
    samples: Sequence[Mapping[str, Any]], job: Mapping[str, Any], rows: int
) -> Iterator[str]:
    found = Counter((sample["task"], sample["index"]) for sample in samples)
    for (task, index), count in found.items():
        if count > 1:
            yield f"sample {task}/{index} is there {count} times"
    if any(sample["attempt"] > job["attempt"] for sample in samples):
        yield "it has samples of an attempt that never was"
    if job["status"] == COMPLETED and len(found) != rows:
        yield f"it completed with {len(found)} of {rows} samples"


def of_result(results: Sequence[Mapping[str, Any]], rows: int) -> Iterator[str]:
    """The right numbers: each row is right, and counted once."""
    if not results:
        yield "it completed without a result"
        return
    for task in results[0]["tasks"].values():
        for metric in task["metrics"].values():
            for score in metric["scores"].values():
                if (score["value"], score["stats"]["count"]) != (1.0, rows):
                    yield f"its score is {score['value']} of {score['stats']['count']} samples"


def processes(mark: str, *, ray: bool = False) -> dict[int, str]:
    """Processes with this mark in their environment, and their commands; with `ray`, workers of Ray
    that have outlived their node too."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            stray = ray and is_stray(path)
        except OSError:
            continue
        if f"PYTHON_ROBUST={mark}\0".encode() in environment or stray:
            found[int(path.name)] = command
    return found


def is_stray(process: Path) -> bool:
    """Whether this is a worker of Ray whose node is gone. Its title is written over its
    environment, so nobody can tell whose it was."""
    if not (process / "cmdline").read_bytes().startswith(b"ray::"):
        return False
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    return not Path(f"/proc/{parent}/cmdline").read_bytes().partition(b"\0")[0].endswith(b"raylet")
