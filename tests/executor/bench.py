"""A store, a scripted backend and the executor on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from threading import Event, Lock
from typing import Any

from evald.domain import ids
from evald.domain.attempts import Claim, StoredSample
from evald.domain.devices import Need
from evald.domain.documents import Maker
from evald.domain.fleet import Fleet, Server
from evald.errors import EvaluationError
from evald.executor import events
from evald.executor.attempt import Attempt
from evald.executor.backend import ChildDied, JobSpec
from evald.executor.executor import Executor
from evald.executor.gpus import Gpus
from evald.executor.output import Output
from evald.executor.runs import Runs
from evald.settings import Settings
from evald.store.store import Store

MAKER = Maker()


class Script:
    """One run: says what it is told to, and dies when it is stopped."""

    def __init__(self, spec: JobSpec, say: Callable[[Script], Iterator[events.Event]]) -> None:
        self.spec = spec
        self.stopped = Event()
        self.grace: float | None = None
        self._say = say

    def events(self) -> Iterator[events.Event]:
        yield from self._say(self)

    def stop(self, grace: float) -> None:
        self.grace = grace
        self.stopped.set()

    def wait(self) -> None:
        """What a run does that never ends by itself."""
        assert self.stopped.wait(20)
        raise ChildDied("stopped", "the child was told to end")


class ScriptedBackend:
    """Starts runs that all follow one script, and keeps them."""

    def __init__(self, say: Callable[[Script], Iterator[events.Event]]) -> None:
        self.say = say
        self.runs: list[Script] = []
        self._lock = Lock()

    def start(self, spec: JobSpec) -> Script:
        with self._lock:
            self.runs.append(Script(spec, self.say))
            return self.runs[-1]

    def close(self) -> None: ...


class Folder:
    """Artifacts in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def url(self, job_id: str) -> str:
        return f"hf://datasets/evaluation-results/{job_id}"

    @contextmanager
    def writer(self, job_id: str, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        fresh = self.root / f"{job_id}.{threading.get_ident()}"
        fresh.mkdir(parents=True)
        try:
            yield fresh
            check()
            rmtree(self.root / job_id, ignore_errors=True)
            fresh.replace(self.root / job_id)
        finally:
            rmtree(fresh, ignore_errors=True)


class ClearVault:
    """Has nothing to hide."""

    def reveal(self, document: Any) -> Any:
        if document.get("description") == "locked":
            raise EvaluationError("secret", "env:KEY is not set")
        return document


class Bench:
    """A store, a scripted backend and the executor on them."""

    def __init__(
        self, tmp_path: Path, say: Callable[[Script], Iterator[events.Event]], **settings: Any
    ) -> None:
        self.settings = Settings(data_dir=tmp_path, grace_seconds=0, **settings)
        self.store = Store(self.settings)
        self.backend = ScriptedBackend(say)
        self.artifacts = Folder(tmp_path / "artifacts")
        self.gpus = Gpus(self.settings.gpus, sharing=self.settings.gpu_sharing)
        self.executor = self.make_executor()

    def make_executor(self, server: Server | None = None) -> Executor:
        return Executor(
            self.store.queue,
            self.gpus,
            self.attempt,
            self.artifacts.url,
            self.store.fleet,
            server=server or self.server(),
            lease_seconds=self.settings.lease_seconds,
        )

    def server(self, name: str = "w") -> Server:
        return Server(
            name,
            "host",
            self.settings.slots,
            self.settings.namespace_slots,
            self.settings.gpu_sharing,
            self.gpus.devices,
            datetime.now(UTC),
        )

    def attempt(self, claim: Claim, devices: tuple[str, ...]) -> Attempt:
        runs = Runs(self.settings.data_dir / "runs")
        return Attempt(
            claim,
            devices=devices,
            queue=self.store.queue,
            samples=self.store.samples,
            backend=self.backend,
            vault=ClearVault(),
            output=Output(claim.fence, runs, self.artifacts, {}, lambda text: text),
            clients=self.settings.clients,
            grace=0,
            max_runtime=self.settings.max_runtime,
        )

    def claimed(self, job_id: str, worker: str) -> Attempt:
        """An attempt that no executor carries."""
        claim = self.store.queue.claim(job_id, worker, devices=[], lease_seconds=30, files_url="x")
        assert claim is not None
        return self.attempt(claim, ())

    def create(self, *, gpus: int = 0, gpu_memory: float | None = None, **target: Any) -> str:
        need = Need.of({"gpus": gpus, "gpu_memory": gpu_memory})
        config = {"type": "custom", "tasks": {"qa": {"type": "data"}}}
        job = self.store.jobs.add(
            {
                "id": ids.new_id(ids.JOB),
                "namespace": "default",
                "target": MAKER.entity({"type": "rows", **target}, ids.TARGET),
                "config": MAKER.entity(config, ids.CONFIG),
                "gpus": need.gpus,
                "gpu_memory": need.memory_mib,
            }
        )
        self.executor.wake()
        return job["id"]

    def describe(self) -> dict[str, Any]:
        return Fleet(self.store.fleet).describe()

    def await_status(self, job_id: str, *statuses: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while (job := self.store.jobs.get(job_id))["status"] not in statuses:
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        return job

    def await_runs(self, count: int) -> list[Script]:
        deadline = time.monotonic() + 20
        while len(self.backend.runs) < count:
            assert time.monotonic() < deadline, self.backend.runs
            time.sleep(0.01)
        return self.backend.runs

    def history(self, job_id: str) -> list[str]:
        return [change["status"] for change in self.store.jobs.get(job_id)["state_history"]]


def scored(index: int) -> StoredSample:
    return StoredSample("qa", index, f'{{"i":{index}}}', None, '{"m":{"s":1.0}}', None, None)


def complete(run: Script) -> Iterator[events.Event]:
    yield events.Task("qa", "running")
    yield events.Samples([scored(0), scored(1)])
    yield events.Progress(2, 2)
    yield events.Log(0.0, "info", "hello")
    yield events.Task("qa", "completed")
    yield events.Done({"tasks": {"qa": {"metrics": {}}}, "groups": {}})


def hang(run: Script) -> Iterator[events.Event]:
    yield events.Task("qa", "running")
    run.wait()
