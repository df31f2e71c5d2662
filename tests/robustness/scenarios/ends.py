"""Servers that are told to end, and jobs that are cancelled."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from evaluation.v1 import job_service_pb2, job_service_pb2_grpc
from tests.robustness.checker import History
from tests.robustness.model import Model
from tests.robustness.scenarios.databases import held
from tests.robustness.timeline import entered
from tests.robustness.world import GPUS, Run, await_that, percentile, post, put_rows
from tests.service import Service

GRACE = 2
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Drain:
    """What clients see of one."""

    seconds: float
    status: int
    not_serving: float
    watching: bool
    refused: bool
    answered: int


def drains(run: Run) -> None:
    """Tells the server to end, as its system does before it is replaced."""
    rows = 60
    service, model = run.service(EVALD_GRACE_SECONDS=str(GRACE)), run.model(0.05)
    put_rows(service)
    seen = []
    for i in range(run.of(25, 2, postgresql=10)):
        run.start(service)
        run.create_all(service, model, 3, rows)
        stubborn = run.harm(service, "stubborn") if i % 2 else None
        await_that(lambda: model.busy, 20, 0.02)
        await_that(lambda n=int(bool(stubborn)): run.ignoring() == n, 60)
        seen.append(drain(run, service, model, rows))
        if stubborn:  # it comes back with the server, and is in nobody's way then
            run.start(service)
            post(service, f"jobs/{stubborn}/cancel", {})
            run.await_status(service, [stubborn], "cancelled")
            service.stop()
    run.start(service)
    run.finish(service, rows=rows)
    jobs = History.read(service.database).jobs
    failures = sum(jobs[job_id]["failures"] for job_id in run.tags)
    codes, worst = {d.status for d in seen}, max(d.seconds for d in seen)
    run.figure(
        f"{len(seen)} SIGTERMs, half of them with a flow that ignores it: the server ends, and no "
        "attempt counts as failed",
        "exit 0 within grace + 5 s, 0 counted",
        f"exit {sorted(codes)}, {worst:.1f} s of {GRACE + 5}, {failures} counted",
        codes == {0} and failures == 0,
        in_time=worst <= GRACE + 5,
    )
    late = max(d.not_serving for d in seen)
    run.figure(
        "its health says that it serves no more",
        "within 100 ms",
        f"{late * 1000:.0f} ms",
        in_time=late <= 0.1,
    )
    watching = sum(d.watching for d in seen)
    run.figure(
        "those who watch it are told so", f"{len(seen)}", f"{watching}", watching == len(seen)
    )
    refused = sum(d.refused for d in seen)
    run.figure("new calls are UNAVAILABLE", f"{len(seen)}", f"{refused}", refused == len(seen))
    answered = sum(d.answered == 201 for d in seen)
    run.figure("a call in flight is answered", f"{len(seen)}", f"{answered}", answered == len(seen))
    stubborn_drain(run, rows)
    second_signal(run)


def drain(run: Run, service: Service, model: Model, rows: int) -> Drain:
    with watched(service) as (told, heard), ThreadPoolExecutor(1) as pool:
        with held(service):
            in_flight = pool.submit(run.create, service, model, rows)
            time.sleep(0.3)
            began = time.monotonic()
            service.send(signal.SIGTERM)
            heard.wait(10)
            not_serving = time.monotonic() - began
            watching = told.wait(1)
            refused = is_refused(service)
            time.sleep(0.3)
        answered = in_flight.result()
        status = service.await_exit(30)
        assert status is not None, "the server did not end"
        return Drain(time.monotonic() - began, status, not_serving, watching, refused, answered)


@contextmanager
def watched(service: Service) -> Iterator[tuple[Event, Event]]:
    """Events that are set when those are told who watch the server's health, and when those are who
    ask for it again and again, that it serves no more."""
    told, heard, over = Event(), Event(), Event()
    stub = health_pb2_grpc.HealthStub

    def watch() -> None:
        with suppress(grpc.RpcError):
            for answer in stub(channel).Watch(health_pb2.HealthCheckRequest()):
                if answer.status == NOT_SERVING:
                    told.set()

    def ask() -> None:
        with suppress(grpc.RpcError):
            while not over.wait(0.01):
                asked = stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
                if asked.status == NOT_SERVING:
                    break
        heard.set()

    with grpc.insecure_channel(service.grpc) as channel:
        threads = [Thread(target=target, daemon=True) for target in (watch, ask)]
        for thread in threads:
            thread.start()
        yield told, heard
        over.set()
    for thread in threads:
        thread.join()


def is_refused(service: Service) -> bool:
    with grpc.insecure_channel(service.grpc) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        try:
            stub.ListJobs(job_service_pb2.ListJobsRequest(), timeout=5)
        except grpc.RpcError as e:
            return bool(e.code() == grpc.StatusCode.UNAVAILABLE)
    return False


def stubborn_drain(run: Run, rows: int) -> None:
    """Tells a server to end that has the default time for it, and jobs that will not."""
    grace = 10
    service = run.service(EVALD_GRACE_SECONDS=str(grace))
    run.start(service)
    jobs = [run.harm(service, "stubborn", gpus=i % 2) for i in range(3)]
    await_that(lambda: run.ignoring() == len(jobs), 60)
    began = time.monotonic()
    status = service.stop()
    took = time.monotonic() - began
    run.start(service)
    for job_id in jobs:
        post(service, f"jobs/{job_id}/cancel", {})
    run.finish(service, rows=rows)
    run.figure(
        "SIGTERM with the default grace and flows that ignore it",
        f"exit 0 within {grace} + 5 s",
        f"exit {status}, {took:.1f} s",
        status == 0,
        in_time=took <= grace + 5,
    )


def second_signal(run: Run) -> None:
    """Tells a server twice, which has jobs that would take long."""
    service = run.service(EVALD_GRACE_SECONDS="60")
    run.start(service)
    job_id = run.harm(service, "stubborn", gpus=1)
    await_that(lambda: run.ignoring() == 1, 60)
    service.send(signal.SIGTERM)
    time.sleep(1)
    began = time.monotonic()
    service.send(signal.SIGTERM)
    status = service.await_exit(30)
    took = time.monotonic() - began
    run.start(service)
    post(service, f"jobs/{job_id}/cancel", {})
    run.finish(service, rows=60)
    run.figure(
        "a second SIGTERM ends the server at once",
        f"exit {128 + signal.SIGTERM} within 1 s",
        f"exit {status}, {took:.1f} s",
        status == 128 + signal.SIGTERM,
        in_time=took <= 1,
    )


def cancels(run: Run) -> None:
    """Cancels jobs, some that run and some that wait."""
    rows, batch = 2000, run.of(40, 8, postgresql=40)
    service, model = run.service(), run.model(0.05)
    put_rows(service)
    run.start(service)
    waits, freed = [], []
    for _ in range(run.of(25, 1, postgresql=5)):
        ids = run.create_all(service, model, batch, rows)
        await_that(lambda: model.busy, 20, 0.02)
        time.sleep(run.rng.uniform(0, 0.5))
        whole = run.harm(service, "pause", gpus=GPUS, seconds=0)
        began = time.monotonic()
        for job_id in ids:
            post(service, f"jobs/{job_id}/cancel", {})
        for job_id in ids:
            run.await_status(service, [job_id], "cancelled", seconds=30)
            waits.append(time.monotonic() - began)
        run.await_status(service, [whole], "completed")
        freed.append(gpus_freed(service, ids, whole))
    run.finish(service, rows=rows, complete=False)
    late = percentile(waits, 0.99)
    run.figure(f"{len(waits)} cancels", "p99 within 10 s", f"{late:.1f} s", in_time=late <= 10)
    late = max(freed)
    run.figure(
        "the GPUs of a job that is cancelled are leased again",
        "within 1 s",
        f"{late:.2f} s at most",
        in_time=late <= 1,
    )
    stubborn_cancels(run, rows)


def gpus_freed(service: Service, cancelled: list[str], whole: str) -> float:
    """Seconds from the last of the cancelled jobs to the start of one that needs all GPUs."""
    history = History.read(service.database)
    events = history.events
    held = [i for i in cancelled if history.jobs[i]["gpus"] and entered(events[i], "running")]
    last = max((entered(events[job_id], "cancelled")[0] for job_id in held), default=None)
    return (entered(events[whole], "running")[0] - last).total_seconds() if last else 0.0


def stubborn_cancels(run: Run, rows: int) -> None:
    """Cancels flows that ignore it, with the default time to end."""
    service = run.service(EVALD_GRACE_SECONDS="10")
    run.start(service)
    waits = []
    for _ in range(run.of(4, 1, postgresql=1)):
        ids = [run.harm(service, "stubborn", gpus=i % 2) for i in range(4)]
        await_that(lambda: run.ignoring() == 4, 60)
        began = time.monotonic()
        for job_id in ids:
            post(service, f"jobs/{job_id}/cancel", {})
        for job_id in ids:
            run.await_status(service, [job_id], "cancelled", seconds=30)
            waits.append(time.monotonic() - began)
    run.finish(service, rows=rows, complete=False)
    late = percentile(waits, 0.99)
    run.figure(
        f"{len(waits)} cancels of flows that ignore SIGTERM",
        "p99 within 10 s",
        f"{late:.2f} s",
        in_time=late <= 10,
    )
