"""What is done to servers while they work."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import requests
import sqlalchemy

from evald import failpoints
from tests.robustness.checker import History
from tests.robustness.world import LEASE, Model, Run, await_that, body, kill, percentile, put_rows
from tests.service import Service

PARALLELISM, BATCH = 4, 100
"""Requests in flight of one job, and samples that are written at once."""

SHORT = ("record.before_commit", "publish.after_commit")
"""Failpoints of a short run."""

Scenario = Callable[[Run], None]


def kills(run: Run) -> None:
    """Ends the server at random moments, again and again, while it has jobs to do."""
    rows, count = run.of(60, 20), run.of(100, 3)
    service, model = run.service(), run.model(0.02)
    put_rows(service)
    run.start(service)
    run.create_all(service, model, run.of(200, 8) // 2, rows)
    sound, starts = True, []
    for i in range(count):
        # A create may be under way when the server dies: it is there, or nobody was told that.
        with ThreadPoolExecutor(1) as pool:
            new = [pool.submit(run.create, service, model, rows) for _ in range(i % 3)]
            time.sleep(run.rng.uniform(0.05, 2))
            kill(service)
            for future in new:
                future.result()
        sound = sound and is_sound(service)
        began = time.monotonic()
        run.start(service)
        starts.append(time.monotonic() - began)
    missing = run.of(200, 8) - len(run.tags)
    run.create_all(service, model, max(missing, 0), rows)
    took = run.await_end(service)
    check_requests(run, service, model, rows)
    service.stop()
    run.check(service, rows=rows)
    run.figure("the database is sound after each kill", f"{count} of {count}", str(sound), sound)
    run.figure(
        f"after {count} kills, {len(run.tags)} jobs end",
        "all",
        f"all, {took:.0f} s after the last (a start takes {percentile(starts, 0.5):.1f} s)",
    )


def check_requests(run: Run, service: Service, model: Model, rows: int) -> None:
    """A job of N rows makes at most N + parallelism x kills + one batch x kills requests."""
    jobs = History.read(service.database).jobs
    worst, kept = 0.0, True
    for job_id, tag in run.tags.items():
        again = jobs[job_id]["attempt"] - 1
        extra = model.requests(tag) - rows
        kept = kept and extra <= again * (PARALLELISM + BATCH)
        worst = max(worst, extra / again if again else 0.0)
    run.figure(
        "a killed job asks again for no more than what was under way and one batch",
        f"at most {PARALLELISM} + {BATCH} requests a kill",
        f"{worst:.1f}",
        kept,
    )


def is_sound(service: Service) -> bool:
    """What SQLite's own check says; PostgreSQL has none that takes no extension."""
    if not service.database.startswith("sqlite"):
        return True
    with closing(sqlite3.connect(service.data_dir / "evald.db")) as database:
        return bool(database.execute("pragma integrity_check").fetchone() == ("ok",))


def crashes(run: Run) -> None:
    """Ends the server right before and right after each commit."""
    quick, slow = run.model(0.02), run.model(0.5)
    names = failpoints.NAMES if run.full else SHORT
    # What is handed back must not be over before that.
    missed = [n for n in names if not crash(run, slow if n.startswith("release") else quick, n)]
    run.figure(
        "the server dies before and after each commit, and nothing is lost",
        f"in {len(names)} places",
        f"{len(names) - len(missed)}; not in {', '.join(missed)}" if missed else f"{len(names)}",
        not missed,
    )


def crash(run: Run, model: Model, name: str) -> bool:
    """Says whether the server died where it was told to."""
    rows = 40
    doomed = run.service(**{failpoints.VARIABLE: name})
    service = run.service()
    put_rows(service)
    if name.startswith("rescue"):
        run.start(service)
        [job_id] = run.create_all(service, model, 1, rows)
        await_that(lambda: run.job(service, job_id)["status"] == "running", 20, 0.02)
        kill(service)
        reached = not starts(run, doomed)
    else:
        run.start(doomed)
        for _ in range(2):
            run.create(doomed, model, rows)
        if name.startswith("release"):
            await_that(lambda: model_busy(model), 20, 0.01)
            doomed.send(signal.SIGTERM)
        reached = doomed.await_exit(30) == failpoints.STATUS
    run.start(service)
    run.create_all(service, model, 1, rows)
    run.await_end(service)
    service.stop()
    run.check(service, rows=rows)
    return reached


def model_busy(model: Model) -> bool:
    return model.endpoint.in_flight > 0


def starts(run: Run, service: Service) -> bool:
    """Whether a server comes up."""
    try:
        run.start(service)
    except RuntimeError:
        return False
    return service.await_exit(10) is None


def zombies(run: Run) -> None:
    """Stops a server for longer than its lease, and lets it go on when others have its jobs."""
    rows = 60
    model = run.model(0.05)
    first = run.service("first")
    second = run.service("first" if run.postgresql else "second")
    put_rows(first)
    run.start(first)
    if run.postgresql:
        run.start(second)
    waits = []
    for _ in range(run.of(10, 1)):
        ids = run.create_all(first, model, 8, rows)
        await_that(lambda ids=ids: any(run.job(first, i)["status"] == "running" for i in ids), 20)
        stopped = datetime.now(UTC)
        first.send(signal.SIGSTOP)
        time.sleep(2.5 * LEASE)
        first.send(signal.SIGCONT)
        run.await_end(first)
        waits += rescues(first, stopped)
    first.stop()
    if run.postgresql:
        second.stop()
        lost = len(re.findall("lease lost|no longer holds", first.log.read_text()))
        late = max(waits, default=0.0) / LEASE
        run.figure(
            "a stopped server's jobs are rescued",
            "within 1.5 leases",
            f"{late:.2f} leases at most, of {len(waits)}",
            bool(waits),
            in_time=late <= 1.5,
        )
        run.figure("what a zombie writes is refused", "at least once", f"{lost} times", lost > 0)
    run.check(first, rows=rows)


def rescues(service: Service, since: datetime) -> list[float]:
    """Seconds from a moment until each job that ran then was put back."""
    found = []
    for events in History.read(service.database).events.values():
        for before, after in pairwise(events):
            at = moment(after["at"])
            if before["status"] == "running" and after["status"] == "pending" and at > since:
                found.append((at - since).total_seconds())
    return found


def moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def locked(run: Run) -> None:
    """Has somebody else hold the database for itself."""
    with under_load(run) as (service, model, rows):
        seconds = run.of(30, 4)
        with held(service):
            time.sleep(seconds)
            assert service.await_exit(0.01) is None, "the server died of a locked database"
        began = time.monotonic()
        run.create_all(service, model, 1, rows)
        took = time.monotonic() - began
        run.figure(
            f"the database is locked for {seconds} s",
            "served again within 10 s",
            f"{took:.1f} s",
            in_time=took <= 10,
        )


@contextmanager
def held(service: Service) -> Iterator[None]:
    """The database is locked while the block runs."""
    engine = sqlalchemy.create_engine(service.database, isolation_level="AUTOCOMMIT")
    sqlite = service.database.startswith("sqlite")
    with engine.connect() as connection:
        if sqlite:
            connection.exec_driver_sql("pragma busy_timeout = 30000")
        connection.exec_driver_sql("begin immediate" if sqlite else "begin")
        if not sqlite:
            connection.exec_driver_sql("lock table job in access exclusive mode")
        yield
        connection.exec_driver_sql("rollback")
    engine.dispose()


def disk_full(run: Run) -> None:
    """Fills the disk that the server's data are on."""
    place = run.folder / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        run.figure("the disk is full", "-", "not tried: no small disk can be mounted here")
        return
    run.resources.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    with under_load(run, "small/data") as (service, model, rows):
        seconds = run.of(60, 4)
        hog = place / "hog"
        answers = set()
        with hog.open("wb", buffering=0) as file:
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                fill(file)
                answers.add(run.create(service, model, rows))
                time.sleep(0.1)
        assert service.await_exit(0.01) is None, "the server died of a full disk"
        hog.unlink()
        began = time.monotonic()
        await_that(lambda: run.create(service, model, rows) == 201, 30)
        took = time.monotonic() - began
        run.figure(
            f"the disk is full for {seconds} s",
            "429 or 503, and served again within 10 s",
            f"{sorted(answers)}, {took:.1f} s",
            answers <= {201, 429, 503} and is_sound(service),
            in_time=took <= 10,
        )


def fill(file: Any) -> None:
    try:
        while True:
            file.write(b"\0" * 65536)
    except OSError:
        pass


def database_restarted(run: Run) -> None:
    """Ends PostgreSQL at once, and starts it again."""
    postgresql = run.postgresql
    if postgresql is None:
        return
    with under_load(run) as (service, model, rows):
        worst = 0.0
        for _ in range(run.of(5, 1)):
            postgresql.restart(1)
            began = time.monotonic()
            await_that(lambda: run.create(service, model, rows) == 201, 60)
            worst = max(worst, time.monotonic() - began)
        run.figure(
            "PostgreSQL restarts", "served within 10 s", f"{worst:.1f} s", in_time=worst <= 10
        )


def endpoint_down(run: Run) -> None:
    """Takes the model away."""
    with under_load(run) as (service, model, _):
        seconds = run.of(60, 3)
        model.endpoint.__exit__(None, None, None)
        time.sleep(seconds)
        model.endpoint.__enter__()
        took = run.await_end(service)
        run.figure(
            f"the model is away for {seconds} s",
            "all jobs complete",
            f"{took:.0f} s after it came back",
        )


def drains(run: Run) -> None:
    """Tells the server to end, as its system does before it is replaced."""
    rows, worst, codes = 60, 0.0, set()
    service, model = run.service(), run.model(0.05)
    put_rows(service)
    for _ in range(run.of(20, 1)):
        run.start(service)
        run.create_all(service, model, 3, rows)
        await_that(lambda: model_busy(model), 20, 0.02)
        began = time.monotonic()
        codes.add(service.stop())
        worst = max(worst, time.monotonic() - began)
    run.start(service)
    run.await_end(service)
    service.stop()
    run.check(service, rows=rows)
    failures = sum(job["failures"] for job in History.read(service.database).jobs.values())
    run.figure(
        "SIGTERM: the server ends, and no attempt counts as failed",
        "exit 0 within grace + 5 s, 0 counted",
        f"exit {sorted(codes)}, {worst:.1f} s of {2 + 5}, {failures} counted",
        codes == {0} and failures == 0,
        in_time=worst <= 7,
    )


def cancels(run: Run) -> None:
    """Cancels jobs, some that run and some that wait."""
    rows = 2000
    service, model = run.service(), run.model(0.05)
    put_rows(service)
    run.start(service)
    waits = []
    for _ in range(run.of(25, 1)):
        ids = run.create_all(service, model, 8, rows)
        await_that(lambda: model_busy(model), 20, 0.02)
        time.sleep(run.rng.uniform(0, 0.5))
        began = time.monotonic()
        for job_id in ids:
            requests.post(f"{service.rest}/v1/evaluation/jobs/{job_id}/cancel", timeout=10)
        for job_id in ids:
            await_that(lambda i=job_id: run.job(service, i)["status"] == "cancelled", 30, 0.02)
            waits.append(time.monotonic() - began)
    service.stop()
    run.check(service, rows=rows, complete=False)
    late = percentile(waits, 0.99)
    run.figure(f"{len(waits)} cancels", "p99 within 10 s", f"{late:.1f} s", in_time=late <= 10)


def duplicates(run: Run) -> None:
    """Sends one create again and again, from many clients at once."""
    count, rows = run.of(1000, 60), 5
    service, model = run.service(), run.model()
    put_rows(service)
    run.start(service)
    job = body(model, "twins", rows)
    headers = {"Idempotency-Key": "twins"}

    def create(_: int) -> str:
        answer = requests.post(
            f"{service.rest}/v1/evaluation/jobs", json=job, headers=headers, timeout=60
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(create, range(count)))
    run.tags |= dict.fromkeys(ids, "twins")
    run.await_end(service)
    service.stop()
    run.check(service, rows=rows)
    run.figure(f"{count} creates with one key", "1 job", f"{len(ids)}", len(ids) == 1)


@contextmanager
def under_load(run: Run, name: str = "data") -> Iterator[tuple[Service, Model, int]]:
    """A server with jobs to do, while the block disturbs it; all of them must complete."""
    rows = run.of(200, 40)
    service, model = run.service(name), run.model(0.05)
    put_rows(service)
    run.start(service)
    run.create_all(service, model, run.of(40, 6), rows)
    await_that(lambda: model_busy(model), 20, 0.02)
    yield service, model, rows
    run.await_end(service)
    service.stop()
    run.check(service, rows=rows)


ALL: dict[str, Scenario] = {
    scenario.__name__.replace("_", "-"): scenario
    for scenario in (
        kills, crashes, zombies, locked, disk_full, database_restarted, endpoint_down, drains,
        cancels, duplicates,
    )
}  # fmt: skip
