"""GetJob beside 2,000 watchers and beside none, and how soon all of them see the end."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import grpc

from benchmarks.model_client import endpoint
from benchmarks.shared import Rest, chat, judged, model, put, service, table
from evaluation.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from tests.service import Service

WATCHERS = 2_000
JOBS = 200
ROWS = 100_000
SECONDS = 5.0
GOAL_RATIO = 2
GOAL_MB = 100
GOAL_SECONDS = 2

ENDED = {job_pb2.JOB_STATUS_CANCELLED, job_pb2.JOB_STATUS_FAILED, job_pb2.JOB_STATUS_COMPLETED}

Latency = tuple[float, float]
"""Milliseconds of one call after the other: median and 99th percentile."""


def get_job(running: Service, job_id: str) -> Latency:
    """Calls GetJob for some seconds."""
    request = job_service_pb2.GetJobRequest(job_id=job_id)
    taken = []
    with grpc.insecure_channel(running.grpc) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        stub.GetJob(request)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            began = time.perf_counter()
            stub.GetJob(request)
            taken.append((time.perf_counter() - began) * 1000)
    hundredths = statistics.quantiles(taken, n=100)
    return hundredths[49], hundredths[98]


async def watch(address: str, job_ids: Sequence[str], pipe: Connection) -> None:
    """Watches jobs until all have ended. Tells when all watches have begun, and then how many
    events came and when each watcher saw the end."""
    begun: list[str] = []
    ends: list[float] = []
    events = 0

    async def one(stub: job_service_pb2_grpc.JobServiceStub, job_id: str) -> None:
        nonlocal events
        async for event in stub.WatchJob(job_service_pb2.WatchJobRequest(job_id=job_id)):
            events += 1
            if event.type == job_pb2.JOB_EVENT_TYPE_SNAPSHOT:
                begun.append(job_id)
                if len(begun) == WATCHERS:
                    pipe.send(time.time())
            if event.status in ENDED:
                ends.append(time.time())

    async with grpc.aio.insecure_channel(address) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        await asyncio.gather(*(one(stub, job_ids[i % len(job_ids)]) for i in range(WATCHERS)))
    pipe.send((events, ends))


def run_watchers(address: str, job_ids: Sequence[str], pipe: Connection) -> None:
    asyncio.run(watch(address, job_ids, pipe))


@contextmanager
def watchers(running: Service, job_ids: Sequence[str]) -> Iterator[Connection]:
    """Watchers in a process of their own, whose watches have begun."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=run_watchers, args=(running.grpc, job_ids, theirs))
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
    finally:
        process.join()


def held(pid: int) -> float:
    """The memory that a process holds, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def measure(running: Service, rest: Rest, job_ids: Sequence[str]) -> None:
    """Prints what watchers of these jobs cost, and ends the jobs."""
    before, alone = held(running.pid), get_job(running, job_ids[0])
    with watchers(running, job_ids) as pipe:
        beside = get_job(running, job_ids[0])
        grown = held(running.pid) - before
        for job_id in job_ids:
            rest.cancel(job_id)
        asked = time.time()
        events, ends = pipe.recv()
    table(
        ["GetJob", "median", "99 of 100"],
        [
            [name, *(f"{ms:.2f} ms" for ms in latency)]
            for name, latency in (("beside none", alone), ("beside watchers", beside))
        ],
    )
    print(f"{events:,} events, {len(ends):,} watchers saw the end")
    for name, one, other in zip(("median", "99 of 100"), alone, beside, strict=True):
        judged(f"{name}, with watchers / without", other / one, GOAL_RATIO)
    judged("server grows by", grown, GOAL_MB, " MB")
    judged("last watcher saw the end after", max(ends) - asked, GOAL_SECONDS, " s")


def main() -> None:
    """Prints the ratios for watchers of one job that runs, and of many that wait."""
    with service() as running, endpoint() as url:
        rest = Rest(running)
        rows = put(running, "rows", ({"prompt": "x", "ideal_response": "x"} for _ in range(ROWS)))
        config = chat(rows, parallelism=4)
        jobs = [rest.create(model(url), config)["id"] for _ in range(JOBS + 4)]
        print(f"{WATCHERS:,} watchers of one job that runs")
        measure(running, rest, jobs[:1])
        print(f"{WATCHERS:,} watchers of {JOBS} jobs, which wait")
        measure(running, rest, jobs[4:])


if __name__ == "__main__":
    main()
