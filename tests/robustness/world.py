"""What the scenarios run on: servers, jobs, and figures."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from evald.domain.states import FINAL, JobStatus
from tests.robustness.checker import History, processes, statuses, violations
from tests.robustness.model import Model, echo_job, fault_job
from tests.robustness.postgresql import Postgresql
from tests.service import Service

LEASE = 2.0
"""Seconds of a lease; what is promised in leases is measured in them."""

GPUS = 2
"""Simulated ones of each server. A third of the jobs lease one."""

END_SECONDS = 600
"""How long jobs may take to end, once nothing is done to the servers any more."""

FAULTS = Path(__file__).with_name("faults")


@dataclass(frozen=True)
class Figure:
    """A promise, what it comes to, and what was measured.

    `in_time` is no promise on a machine that has something else to do, such as other tests. What
    was not `tried` counts as broken at full length.
    """

    promise: str
    goal: str
    measured: str
    kept: bool
    in_time: bool = True
    tried: bool = True


@dataclass
class Run:
    """One scenario under way, on databases and data dirs of its own. `full` is the length that the
    promises are measured at; else it is short enough for every test run."""

    folder: Path
    database: str
    executor: str
    seed: int
    full: bool
    figures: list[Figure] = field(default_factory=list)
    resources: ExitStack = field(default_factory=ExitStack)
    mark: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.tags: dict[str, str] = {}
        """Acknowledged jobs by their id, and what their prompts begin with."""
        self.bare: set[str] = set()
        """Acknowledged jobs without samples, which may end in any way."""

    def of(self, full: int, short: int, postgresql: int | None = None) -> int:
        """How many, by the length of the run; where the database hardly matters, fewer on
        PostgreSQL. Ray, which takes longer to start, gets a tenth."""
        if not self.full:
            return short
        if postgresql is not None and self.database == "postgresql":
            full = postgresql
        return full if self.executor == "local" else max(short, full // 10)

    def figure(
        self, promise: str, goal: str, measured: str, kept: bool = True, *, in_time: bool = True
    ) -> None:
        self.figures.append(Figure(promise, goal, measured, kept, in_time))

    def not_tried(self, promise: str, goal: str, why: str) -> None:
        self.figures.append(Figure(promise, goal, f"not tried: {why}", kept=True, tried=False))

    # Servers

    @cached_property
    def postgresql(self) -> Postgresql | None:
        """The PostgreSQL server of this run; None for SQLite."""
        if self.database == "sqlite":
            return None
        return self.resources.enter_context(Postgresql())

    def service(self, name: str = "data", **settings: str) -> Service:
        """A server that is not started yet; all of a run share a PostgreSQL database."""
        paths = [str(FAULTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        given = {
            "EVALD_LEASE_SECONDS": str(LEASE),
            "EVALD_GPUS": str(GPUS),
            "EVALD_GRACE_SECONDS": "2",
            "EVALD_EXECUTOR": self.executor,
            "EVALD_RATE_LIMIT": "0",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHON_ROBUST": self.mark,  # one of the names that children inherit
            **({"EVALD_DATABASE_URL": self.postgresql.url} if self.postgresql else {}),
            **settings,
        }
        return Service(self.folder / name, **given)

    def start(self, service: Service) -> float:
        """Starts a server; the seconds until it serves."""
        self.resources.callback(end, service)
        began = time.monotonic()
        service.start()
        return time.monotonic() - began

    def model(self, latency: float = 0.01) -> Model:
        return self.resources.enter_context(Model.serving(latency=latency, seed=self.seed))

    # Jobs

    def create(self, service: Service, model: Model, rows: int) -> int:
        """Creates a job of so many rows; the status of the answer, 0 when nobody answered."""
        tag = uuid4().hex[:12]
        gpus = int(len(self.tags) % 3 == 2)
        status, job_id = post(service, "jobs", echo_job(model, tag, rows, gpus))
        if status == 201:
            self.tags[job_id] = tag
        return status

    def create_all(self, service: Service, model: Model, count: int, rows: int) -> list[str]:
        known = set(self.tags)
        answers = {self.create(service, model, rows) for _ in range(count)}
        assert answers <= {201}, f"a server that nobody disturbs answered {answers}"
        return [job_id for job_id in self.tags if job_id not in known]

    def harm(self, service: Service, do: str, **given: Any) -> str:
        """Creates a job of the flow that does harm."""
        status, job_id = post(service, "jobs", fault_job(do, **given))
        assert status == 201, f"a server that nobody disturbs answered {status}"
        self.bare.add(job_id)
        return job_id

    def job(self, service: Service, job_id: str) -> dict[str, Any]:
        return get(service, f"jobs/{job_id}")

    def await_status(
        self, service: Service, job_ids: Sequence[str], *states: str, seconds: float = 60
    ) -> None:
        """Waits until each of these jobs is in one of these states."""
        for job_id in job_ids:
            await_that(lambda i=job_id: self.job(service, i)["status"] in states, seconds, 0.05)

    def ignoring(self) -> int:
        """How many processes of jobs ignore SIGTERM."""
        found = 0
        for pid in processes(self.mark):
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
                found += ignored >> (signal.SIGTERM - 1) & 1
        return found

    def await_end(self, service: Service, seconds: float = END_SECONDS) -> float:
        """Waits until every job has ended; how long that took."""
        began = time.monotonic()
        await_that(lambda: self.unended(service) == 0, seconds, 0.2)
        return time.monotonic() - began

    def unended(self, service: Service) -> int:
        """How many jobs have not ended. Those count too of which nobody was told that they are
        there, since the server died: they run as all others do, and lease GPUs."""
        return sum(status not in FINAL for status in statuses(service.database).values())

    def running(self, service: Service) -> int:
        return Counter(statuses(service.database).values())[JobStatus.RUNNING]

    def finish(self, *services: Service, rows: int, complete: bool = True) -> float:
        """Waits until all jobs have ended, sees that the GPUs are free, stops the servers and
        checks what they leave; how many seconds the jobs took."""
        took = self.await_end(services[0])
        self.check_gpus(*services)
        for service in services:
            service.stop()
        self.check(services[0], rows=rows, complete=complete)
        return took

    def check_gpus(self, *services: Service) -> None:
        """Leases all GPUs of all servers at once: one whose lease has leaked could not be."""
        shown = get(services[0], "executor")
        held = [lease for lease in shown["leases"] if lease["devices"]]
        jobs = [self.harm(services[0], "pause", gpus=GPUS, seconds=600) for _ in services]
        free = True
        try:
            self.await_status(services[0], jobs, "running", seconds=20)
        except TimeoutError:
            free = False
        for job_id in jobs:
            post(services[0], f"jobs/{job_id}/cancel", {})
        self.await_status(services[0], jobs, "cancelled")
        self.figure(
            "no GPU is leased without a running job",
            f"0 shown, {GPUS * len(services)} can be leased",
            f"{len(held)} shown, {'they can' if free else 'they cannot'}",
            free and not held,
        )

    def check(self, service: Service, *, rows: int, complete: bool = True) -> None:
        """Notes whether the history is one that may be. The servers must have stopped."""
        history = History.read(service.database)
        wrong = violations(history, self.tags.keys(), rows=rows, bare=self.bare, complete=complete)
        for said in wrong[:20]:
            print(f"  violation: {said}", flush=True)
        jobs = len(self.tags) + len(self.bare)
        self.figure(
            "every acknowledged job ends once, by legal steps, with the right numbers",
            "0 violations",
            f"{len(wrong)} of {jobs} jobs",
            not wrong,
        )
        ray = self.executor == "ray"
        with suppress(TimeoutError):
            await_that(lambda: not processes(self.mark, ray=ray), 10)
        left = processes(self.mark, ray=ray)
        for pid, command in left.items():
            print(f"  left: {pid} {command[:200]}", flush=True)
        self.figure("no process is left", "0", str(len(left)), not left)


def post(service: Service, path: str, body: Mapping[str, Any]) -> tuple[int, str]:
    """The status of an answer and the id in it; 0 when nobody answered."""
    answer = send("POST", service, path, json=body)
    if answer is None:
        return 0, ""
    return answer.status_code, str(answer.json()["id"]) if answer.ok else ""


def delete(service: Service, path: str) -> int:
    """The status of an answer; 0 when nobody answered."""
    answer = send("DELETE", service, path)
    return 0 if answer is None else answer.status_code


def send(method: str, service: Service, path: str, **given: Any) -> requests.Response | None:
    """The answer; None when nobody answered."""
    try:
        url = f"{service.rest}/v1/evaluation/{path}"
        return requests.request(method, url, timeout=60, **given)
    except requests.RequestException:
        return None


def get(service: Service, path: str) -> dict[str, Any]:
    answer = requests.get(f"{service.rest}/v1/evaluation/{path}", timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


def put_rows(service: Service, count: int = 2000) -> None:
    """The data set that all jobs read."""
    path = service.data_dir / "rows.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("row\n" + "".join(f"{i}\n" for i in range(count)))
    service.run("datasets", "put", "robust/rows", str(path))


def await_that(holds: Callable[[], bool], seconds: float, every: float = 0.1) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(every)


def kill(service: Service) -> None:
    """Ends a server as a power cut would."""
    service.stop(signal.SIGKILL)


def end(service: Service) -> None:
    """Ends a server that a scenario which broke has left."""
    with suppress(AssertionError, ProcessLookupError, FileNotFoundError):
        if Path(f"/proc/{service.pid}").exists():
            service.send(signal.SIGCONT)
            kill(service)


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
