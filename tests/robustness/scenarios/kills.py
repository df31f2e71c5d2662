"""Servers that die, or stop for a while."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

from sqlalchemy import text

from evald import failpoints
from evald.settings import Settings
from evald.store.store import Store
from tests.robustness.checker import History
from tests.robustness.kept import Kept
from tests.robustness.model import Model
from tests.robustness.timeline import Rescue, rescues, waits
from tests.robustness.world import (
    LEASE,
    Run,
    await_that,
    delete,
    kill,
    percentile,
    post,
    put_rows,
)
from tests.service import Service

PARALLELISM, BATCH = 4, 100
"""Requests in flight of one job, and samples that are written at once."""

SHORT = ("record.before_commit", "publish.after_commit")
"""Failpoints of a short run."""

ON_RAY = ("claim.after_commit", "record.before_commit", "finish.before_commit")
"""Failpoints of a full run on Ray, which has no part in what is written."""

LONG = ("release", "renew", "alive", "leave", "hold")
"""Steps that are reached only while jobs run, which must not be over before."""

SLOTS = 4
"""Jobs that a server runs at once unless told otherwise."""

WRITES = (
    "record.before_commit:40",
    "renew.before_commit:8",
    "claim.after_commit:3",
    "publish.after_commit:1",
    "finish.before_commit:1",
)
"""Places where a server stops that has locked a job, or all of its jobs, or goes on with files that
another has by then; and which time it stops there."""

MANY = "100000"
"""Attempts allowed where servers die so often that one job may lose many."""


def kills(run: Run) -> None:
    """Ends the server at random moments, again and again, while it has jobs to do."""
    rows, count = run.of(60, 20), run.of(100, 3)
    service, model = run.service(EVALD_MAX_ATTEMPTS=MANY), run.model(0.1)
    put_rows(service)
    run.start(service)
    run.create_all(service, model, run.of(200, 8) // 2, rows)
    kept, few = Kept(model), count < 100
    sound, starts, deaths = True, [], []
    for i in range(count):
        # A create may be under way when the server dies: it is there, or nobody was told that.
        with ThreadPoolExecutor(1) as pool:
            new = [pool.submit(run.create, service, model, rows) for _ in range(i % 3)]
            if few:  # they must not miss
                await_that(lambda: model.busy, 60, 0.01)
            time.sleep(run.rng.uniform(0.05, 0.5 if few else 2))
            killed = datetime.now(UTC)
            kill(service)
            for future in new:
                future.result()
        sound = sound and is_sound(service)
        kept.note(service.database, run.tags)
        starts.append(run.start(service))
        deaths.append((killed, datetime.now(UTC)))
    missing = run.of(200, 8) - len(run.tags)
    run.create_all(service, model, max(missing, 0), rows)
    took = run.finish(service, rows=rows)
    check_requests(run, service, model, rows)
    run.figure(
        "a sample that was stored before a kill is not asked for again",
        "0 requests",
        f"{kept.asked_again}, of {len(kept)} samples",
        kept.asked_again == 0 and (len(kept) > 0 or not run.full),
    )
    late = list(waits(rescues(History.read(service.database)), deaths))
    note_rescues(run, "a server that starts again takes up what it ran", late, LEASE)
    run.figure("the database is sound after each kill", f"{count} of {count}", str(sound), sound)
    run.figure(
        f"after {count} kills, {len(run.tags)} jobs end",
        "all",
        f"all, {took:.0f} s after the last (a start takes {percentile(starts, 0.5):.1f} s)",
    )


def note_rescues(run: Run, promise: str, late: Sequence[float], lease: float) -> None:
    """`late` is how long after it could be each job was taken from its dead server."""
    p99, most = (percentile(late or [0.0], share) / lease for share in (0.99, 1.0))
    run.figure(
        promise,
        "p99 within 1.5 leases",
        f"p99 {p99:.2f} leases, of {len(late)} rescues",
        in_time=bool(late) and p99 <= 1.5,
    )
    stuck = sum(wait > 2 * lease for wait in late)
    run.figure(
        "no job is stuck for more than 2 leases",
        "0",
        f"{stuck}, {most:.2f} leases at most",
        in_time=not stuck,
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


def rescues_by_others(run: Run) -> None:
    """Ends one of two servers again and again, and has the other one take its jobs."""
    lease, rows, count = 1.5 * LEASE, 100, run.of(25, 2)
    servers = [
        run.service(EVALD_LEASE_SECONDS=str(lease), EVALD_MAX_ATTEMPTS=MANY) for _ in range(2)
    ]
    model = run.model(0.2)
    put_rows(servers[0])
    for service in servers:
        run.start(service)
    deaths = []
    for _ in range(count):
        run.create_all(servers[0], model, max(0, 12 - run.unended(servers[0])), rows)
        await_that(lambda: run.running(servers[0]) >= 2 * SLOTS - 2, 60)
        victim = run.rng.choice(servers)
        killed = datetime.now(UTC)
        kill(victim)
        deaths.append((killed, killed))
        time.sleep(2 * lease)
        run.start(victim)
    run.finish(*servers, rows=rows)
    late = list(waits(rescues(History.read(servers[0].database)), deaths))
    note_rescues(run, f"{count} kills of one of two servers: the other takes its jobs", late, lease)


def crashes(run: Run) -> None:
    """Ends the server right before and right after each commit."""
    quick, slow = run.model(0.02), run.model(0.5)
    names = SHORT
    if run.full:
        names = failpoints.NAMES if run.executor == "local" else ON_RAY
    missed = [n for n in names if not crash(run, slow if n.startswith(LONG) else quick, n)]
    run.figure(
        "the server dies before and after each commit, and nothing is lost",
        f"in {len(names)} places",
        f"{len(names) - len(missed)}; not in {', '.join(missed)}" if missed else f"{len(names)}",
        not missed,
    )


def crash(run: Run, model: Model, name: str) -> bool:
    """Says whether the server died where it was told to."""
    rows, step = 40, name.partition(".")[0]
    # These come from the start on, and a server that is still starting has no job.
    place = f"{name}:8" if step in ("renew", "alive") else name
    doomed, service = run.service(**{failpoints.VARIABLE: place}), run.service()
    asked = None
    put_rows(service)
    if step == "rescue":
        run.start(service)
        [job_id] = run.create_all(service, model, 1, rows)
        await_that(lambda: run.job(service, job_id)["status"] == "running", 20, 0.02)
        kill(service)
        reached = not starts(run, doomed)
    else:
        run.start(doomed)
        for _ in range(SLOTS + 1 if step == "hold" else 2):
            run.create(doomed, model, rows)
        if step in ("release", "leave"):
            await_that(lambda: model.busy, 20, 0.01)
            doomed.send(signal.SIGTERM)
        if step in ("cancel", "delete"):
            asked = ask(run, doomed, step)
        reached = doomed.await_exit(30) == failpoints.STATUS
        if not reached:
            kill(doomed)
    run.start(service)
    run.create_all(service, model, 1, rows)
    if asked is not None:
        done = is_done(run, service, asked, step)
        reached = reached and done == name.endswith("after_commit")
    run.finish(service, rows=rows)
    return reached


def ask(run: Run, service: Service, step: str) -> str:
    """Asks a server that dies of it to cancel a job that runs, or to delete one that has ended; the
    job's id."""
    if step == "cancel":
        job_id = run.harm(service, "pause", seconds=600)
        run.await_status(service, [job_id], "running")
        post(service, f"jobs/{job_id}/cancel", {})
    else:
        job_id = run.harm(service, "pause", seconds=0)
        run.await_status(service, [job_id], "completed")
        delete(service, f"jobs/{job_id}")
    return job_id


def is_done(run: Run, service: Service, job_id: str, step: str) -> bool:
    """Whether what was asked of a job came to be; if it did not, it is asked again."""
    if step == "cancel":
        done = run.job(service, job_id)["status"] in ("cancelling", "cancelled")
        post(service, f"jobs/{job_id}/cancel", {})
        return done
    run.bare.discard(job_id)
    return delete(service, f"jobs/{job_id}") == 404


def starts(run: Run, service: Service) -> bool:
    """Whether a server comes up."""
    try:
        run.start(service)
    except RuntimeError:
        return False
    return service.await_exit(10) is None


def zombies(run: Run) -> None:
    """Stops a server for longer than its lease, and lets it go on when others have its jobs."""
    rows, count, jobs = 60, run.of(13, 1), run.of(16, 8)
    model = run.model(0.3)  # so slow that none ends while others are still created
    first, second = pair(run, jobs)
    deaths = []
    for _ in range(count):
        ids = run.create_all(first, model, jobs, rows)
        await_that(lambda: run.running(first) >= jobs - 2, 60)
        stopped = datetime.now(UTC)
        first.send(signal.SIGSTOP)
        deaths.append((stopped, stopped))
        go_on(run, first, ids)
    run.finish(first, second, rows=rows)
    found = rescues(History.read(first.database))
    note_rescues(run, "a stopped server's jobs are rescued", list(waits(found, deaths)), LEASE)
    note_refused(run, first, found, len(found))


def writers(run: Run) -> None:
    """Stops a server in the middle of a write, while it has locked jobs, and lets it go on when
    others have them."""
    rows, jobs = 60, 8
    model = run.model(0.5)
    late, found, held = [], [], 0
    for place in WRITES:
        first, second = pair(run, jobs, **{failpoints.VARIABLE: f"{place}:stop"})
        worker = (first.data_dir / "worker-2").read_text()
        ids = run.create_all(second, model, jobs, rows)
        await_that(lambda s=first: s.stopped, 60, 0.01)
        stopped = datetime.now(UTC)
        before = History.read(second.database)
        held += sum(job["worker"] == worker for job in before.jobs.values())
        go_on(run, first, ids)
        run.finish(first, second, rows=rows)
        taken = [r for r in rescues(History.read(second.database)) if r.worker == worker]
        late += waits(taken, [(stopped, stopped)])
        found += taken
    note_rescues(run, "the jobs of a server that stops in a write are rescued", late, LEASE)
    note_refused(run, first, found, held)
    left = len(list((first.data_dir / "runs").iterdir()))
    run.figure("no attempt leaves a folder", "0", str(left), not left)


def pair(run: Run, jobs: int, **of_first: str) -> tuple[Service, Service]:
    """Two servers with slots for so many jobs, and one log."""
    given = {
        "EVALD_SLOTS": str(jobs // 2), "EVALD_LOG_FORMAT": "json", "EVALD_MAX_ATTEMPTS": MANY,
        "EVALD_GPUS": str(jobs),
    }  # fmt: skip
    first, second = run.service(**given, **of_first), run.service(**given)
    put_rows(first)
    for service in (second, first):
        run.start(service)
    return first, second


def go_on(run: Run, stopped: Service, job_ids: Sequence[str]) -> None:
    """Lets a stopped server go on when its leases have long run out, and all jobs end."""
    time.sleep(2.5 * LEASE)
    stopped.send(signal.SIGCONT)
    run.await_status(stopped, job_ids, "completed", seconds=120)


def note_refused(run: Run, service: Service, found: Sequence[Rescue], held: int) -> None:
    """Whether each attempt of these rescues was told, by what the servers' log says; `held` is how
    many there must be."""
    overtaken = {(rescue.job_id, rescue.attempt) for rescue in found}
    told = refused(service)
    for job_id, attempt in sorted(overtaken - told):
        print(f"  not refused: {job_id}, attempt {attempt}", flush=True)
    run.figure(
        "each attempt that was overtaken while its server slept is refused, and writes nothing",
        f"{held} of {held}",
        f"{len(overtaken & told)}",
        held == len(overtaken) > 0 and overtaken <= told,
    )


def refused(service: Service) -> set[tuple[str, int]]:
    """Attempts that were told that they have lost their lease."""
    said = [json.loads(line) for line in service.log.read_text().splitlines() if line[:1] == "{"]
    return {(line["job"], line["attempt"]) for line in said if line["event"] == "lease lost"}


def claimed_back(run: Run) -> None:
    """Takes a job from a server whose attempt is slow to end, so that the same server claims it
    again meanwhile: the new attempt keeps its lease."""
    service = run.service(EVALD_GRACE_SECONDS="6")
    put_rows(service)
    run.start(service)
    job_id = run.harm(service, "stubborn_pause", seconds=15, gpus=1)
    await_that(lambda: run.ignoring() == 1, 60)
    take_away(service, job_id)
    run.await_status(service, [job_id], "completed", "failed", seconds=90)
    attempts = History.read(service.database).jobs[job_id]["attempt"]
    run.finish(service, rows=0)
    run.figure(
        "a job that is lost and claimed back keeps its lease",
        "2 attempts",
        f"{attempts}",
        attempts == 2,
    )


def take_away(service: Service, job_id: str) -> None:
    """Puts a job back into the queue, as another server does that finds its lease run out."""
    store = Store(Settings(data_dir=service.data_dir, database_url=service.database))
    taken: list[str] = []
    while job_id not in taken:  # its server may renew the lease in between
        with store.database.write() as session:
            session.execute(text("update job set lease_until = 0 where id = :id"), {"id": job_id})
        taken = store.queue.rescue()
    store.close()
