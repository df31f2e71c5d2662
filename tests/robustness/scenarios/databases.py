"""Databases that are locked, full, restarted, that hang, or whose server's clock jumps."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import sqlalchemy

from tests.robustness.checker import History
from tests.robustness.clock import Clock
from tests.robustness.model import Model
from tests.robustness.scenarios.kills import is_sound
from tests.robustness.timeline import rescues
from tests.robustness.world import LEASE, Run, await_that, get, put_rows
from tests.service import Service

HOUR = 3600

GRACE = 5

DRAIN_SECONDS = 75
"""How long a drain may take whose database says nothing: what waits for it gives up after 40 s, and
what comes after that waits 10 s each for a connection."""


def locked(run: Run) -> None:
    """Has somebody else hold the database for itself."""
    with under_load(run) as (service, model, rows):
        seconds = run.of(35, 4)
        with ThreadPoolExecutor(2) as pool:
            with held(service):
                # The first waits in vain, if the lock is held for long; the other is in luck.
                calls = [pool.submit(run.create, service, model, rows)]
                time.sleep(seconds - 2)
                calls.append(pool.submit(run.create, service, model, rows))
                time.sleep(2)
                assert service.await_exit(0.01) is None, "the server died of a locked database"
            answers = [call.result() for call in calls]
        began = time.monotonic()
        run.create_all(service, model, 1, rows)
        took = time.monotonic() - began
        first = {503, 504} if run.full else {201}
        run.figure(
            f"calls while the database is locked for {seconds} s",
            f"{'503 or 504' if run.full else '201'} after 30 s at most; 201 of one that waits 2 s",
            f"{answers}",
            answers[0] in first and answers[1] == 201,
        )
        run.figure(
            f"after the database was locked for {seconds} s",
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
    seconds = run.of(60, 4)
    promise, goal = f"the disk is full for {seconds} s", "429 or 503, and served again within 10 s"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        run.not_tried(promise, goal, "no small disk can be mounted here")
        return
    run.resources.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    with under_load(run, "small/data") as (service, model, rows):
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
        took = await_service(run, service, model, rows, 30)
        run.figure(
            promise,
            goal,
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


def no_folder(run: Run) -> None:
    """Leaves no place for what jobs write while they run."""
    with under_load(run) as (service, model, rows):
        folder, aside = service.data_dir / "runs", service.data_dir / "aside"
        await_that(folder.exists, 20)
        folder.rename(aside)
        folder.write_text("")
        run.create_all(service, model, 6, rows)
        time.sleep(run.of(6, 3))
        folder.unlink()
        aside.rename(folder)


def database_restarted(run: Run) -> None:
    """Ends PostgreSQL at once, and starts it again."""
    postgresql = run.postgresql
    assert postgresql is not None
    count = run.of(8, 2)
    with under_load(run) as (service, model, rows):
        worst = 0.0
        for _ in range(count):
            postgresql.restart(1)
            worst = max(worst, await_service(run, service, model, rows, 60))
            await_that(lambda: model.busy, 20)
        run.figure(
            f"PostgreSQL restarts {count} times",
            "served within 10 s",
            f"{worst:.1f} s",
            in_time=worst <= 10,
        )


def database_hangs(run: Run) -> None:
    """Stops PostgreSQL and has it go on, as when its disk hangs, or a proxy loses it; then once
    more, and tells the server to end meanwhile."""
    postgresql = run.postgresql
    assert postgresql is not None
    seconds = run.of(60, 4)
    with under_load(run, EVALD_GRACE_SECONDS=str(GRACE)) as (service, model, rows):
        with ThreadPoolExecutor(1) as pool:
            with postgresql.stopped():
                call = pool.submit(run.create, service, model, rows)
                time.sleep(seconds)
            answer = call.result()
        took = await_service(run, service, model, rows, 60)
        expected = {503, 504} if run.full else {201}
        run.figure(
            f"PostgreSQL hangs for {seconds} s",
            f"{'503 or 504' if run.full else '201'}, and served again within 10 s",
            f"{answer}, {took:.1f} s",
            answer in expected,
            in_time=took <= 10,
        )
        run.create_all(service, model, 4, rows)
        await_that(lambda: model.busy, 60)
        with postgresql.stopped():
            began = time.monotonic()
            service.send(signal.SIGTERM)
            status = service.await_exit(3 * DRAIN_SECONDS)
            took = time.monotonic() - began
        run.figure(
            "a SIGTERM while PostgreSQL hangs: the server ends",
            f"within {DRAIN_SECONDS} s",
            f"exit {status}, {took:.1f} s",
            status == 0,
            in_time=took <= DRAIN_SECONDS,
        )
        run.start(service)


def clock_jumps(run: Run) -> None:
    """Puts the server's clock on by an hour, and back by two."""
    promise, goal = "the clock jumps by an hour, there and back", "0 jobs taken from their attempts"
    try:
        clock = Clock(run.folder)
    except FileNotFoundError:
        run.not_tried(promise, goal, "there is no C compiler")
        return
    rows = run.of(300, 150)
    service, model = run.service(**clock.settings), run.model(0.1)
    put_rows(service)
    run.start(service)
    run.create_all(service, model, 4, rows)
    await_that(lambda: model.busy, 20, 0.02)
    clock.shift(HOUR)
    time.sleep(run.of(4, 1) * LEASE)
    crashing = run.harm(service, "segfault")
    await_that(lambda: in_back_off(service, crashing), 60, 0.02)
    for hours in (-1, 0):
        clock.shift(hours * HOUR)
        time.sleep(run.of(4, 1) * LEASE)
        run.create_all(service, model, 1, rows)
    run.await_status(service, [crashing], "failed", seconds=60)
    shown = get(service, "executor")["servers"]
    run.finish(service, rows=rows)
    history = History.read(service.database)
    taken = sum(rescue.job_id != crashing for rescue in rescues(history))
    taken += sum(history.jobs[job_id]["failures"] for job_id in run.tags)
    run.figure(promise, goal, f"{taken}, {len(shown)} server shown", not taken and len(shown) == 1)


def in_back_off(service: Service, job_id: str) -> bool:
    """Whether a job waits for its second attempt."""
    job = History.read(service.database).jobs[job_id]
    return job["attempt"] == 1 and job["status"] == "pending"


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


def await_service(run: Run, service: Service, model: Model, rows: int, seconds: float) -> float:
    """Waits until a job can be created again, at most so many seconds; how long that took."""
    began = time.monotonic()
    await_that(lambda: run.create(service, model, rows) == 201, seconds)
    return time.monotonic() - began


@contextmanager
def under_load(
    run: Run, name: str = "data", **settings: str
) -> Iterator[tuple[Service, Model, int]]:
    """A server with jobs to do, while the block disturbs it; all of them must complete, with the
    few attempts that a job has by default."""
    rows = run.of(200, 40)
    service, model = run.service(name, **settings), run.model(0.05)
    put_rows(service)
    run.start(service)
    run.create_all(service, model, run.of(30, 6), rows)
    await_that(lambda: model.busy, 20, 0.02)
    yield service, model, rows
    run.finish(service, rows=rows)
