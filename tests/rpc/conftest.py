"""A gRPC server on a real store, whose jobs nobody runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest

from evald import catalog
from evald.domain import ids
from evald.domain.devices import Need
from evald.domain.documents import Maker
from evald.domain.entities import Entities
from evald.domain.fleet import Fleet
from evald.domain.jobs import Jobs
from evald.domain.live import LiveEvaluations, Outcome
from evald.domain.results import Results
from evald.domain.states import JobStatus
from evald.domain.targets import check_datasets, check_target
from evald.domain.watch import Watches
from evald.errors import InvalidArgument, NotFound
from evald.rpc.access import Gate
from evald.rpc.server import Server
from evald.settings import Settings
from evald.store.store import Store
from tests.rpc.calls import Stubs


class StarVault:
    """Shows stars for every `api_key`."""

    def seal(self, document: Any, stored: Any = None) -> Any:
        return document

    def mask(self, document: Any) -> Any:
        if isinstance(document, dict):
            return {k: "******" if k == "api_key" else self.mask(v) for k, v in document.items()}
        return document


class IdleRunner:
    """Has one GPU and starts nothing."""

    def check(self, need: Need) -> None:
        if need.gpus > 1:
            raise InvalidArgument.of("params.gpus", "there is 1 GPU")

    def wake(self) -> None: ...

    def cancel(self, job_id: str) -> None: ...


class FakeFiles:
    """A job named `endless` has a ZIP without end; others have none."""

    def results(self, job_id: str) -> Iterator[bytes]:
        if job_id == "broken":
            raise RuntimeError("secret words")
        if job_id != "endless":
            raise NotFound(f"job {job_id!r} does not exist")
        return iter(lambda: b"x" * 1000, b"")

    def logs(self, job_id: str) -> Iterator[bytes]:
        return iter([b"one", b"two"])

    def delete(self, job_id: str) -> None: ...


class FakeEvaluator:
    """Completes what it is given, unless a test says otherwise in `act`, and keeps what it was
    called with."""

    def __init__(self) -> None:
        self.act: Callable[[Event], Any] = lambda over: None
        self.calls: list[tuple[Any, float]] = []

    def evaluate(self, job: Any, *, seconds: float, over: Event) -> Outcome:
        self.calls.append((job, seconds))
        self.act(over)
        details = {"message": "Job completed successfully", "progress": 100.0}
        result = {"tasks": {"qa": {"metrics": {}}}, "groups": {}}
        return Outcome(JobStatus.COMPLETED, details, result, {"qa": "a line\n"})


def fits(target: Any, config: Any) -> None:
    if config["type"] == "similarity_metrics" and target["type"] == "rows":
        raise InvalidArgument.of("target.type", "similarity_metrics takes model or cached_outputs")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, grpc_port=0, max_streams=4, rpc_threads=4)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store(settings)
    yield store
    store.close()


@pytest.fixture
def watches(store: Store) -> Watches:
    return Watches(store.events, Maker(), poll_seconds=0.02)


@pytest.fixture
def files() -> Any:
    return FakeFiles()


@pytest.fixture
def evaluator() -> FakeEvaluator:
    return FakeEvaluator()


@pytest.fixture
def channel(
    settings: Settings, store: Store, watches: Watches, files: Any, evaluator: FakeEvaluator
) -> Iterator[grpc.Channel]:
    """A channel to a server of this test."""
    vault, maker = StarVault(), Maker()
    targets = Entities(
        store.targets, vault, maker, ids.TARGET, check_target, fixed=("namespace", "name")
    )
    configs = Entities(store.configs, vault, maker, ids.CONFIG, check_datasets)
    jobs = Jobs(store.jobs, store.samples, targets, configs, vault, IdleRunner(), files, fits)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def on_loop(work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), loop).result(20)

    async def make() -> Server:
        results = Results(store.results, vault, store.jobs.namespace)
        gate = Gate(store.tokens if settings.auth == "tokens" else None)
        live = LiveEvaluations(jobs, evaluator, maker, seconds=settings.live_seconds)
        fleet = Fleet(store.fleet)
        return Server(
            settings,
            targets,
            configs,
            jobs,
            results,
            files,
            watches,
            live,
            fleet,
            catalog.describe,
            gate=gate,
        )

    server = on_loop(make)
    port = on_loop(server.start)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    on_loop(lambda: server.stop(1))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def stubs(channel: grpc.Channel) -> Stubs:
    return Stubs(channel)
