"""The composition root: the only file that names concrete classes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from evald import catalog, exposure, logs, registry
from evald.clients.archive import zipped
from evald.clients.artifacts import ArtifactStore
from evald.clients.leftovers import Dropper, Leftovers
from evald.clients.redact import redact
from evald.clients.secrets import secret_values
from evald.clients.vault import Vault
from evald.domain import compatibility, fleet, ids
from evald.domain.attempts import Claim
from evald.domain.documents import Maker
from evald.domain.entities import Entities
from evald.domain.jobs import Jobs
from evald.domain.live import LiveEvaluations
from evald.domain.results import Results
from evald.domain.targets import check_datasets, check_target
from evald.domain.watch import Watches
from evald.envoy import Envoy, private_folder
from evald.errors import InvalidArgument, Unavailable
from evald.executor.attempt import Attempt
from evald.executor.backend import Backend
from evald.executor.driver import Driver
from evald.executor.executor import Executor
from evald.executor.files import JobFiles
from evald.executor.gpus import Gpus
from evald.executor.limits import Limits
from evald.executor.live import Live
from evald.executor.local import LocalBackend
from evald.executor.output import Output
from evald.executor.ray import RayBackend
from evald.executor.runs import CLEAR_SECONDS, Clearer, Runs
from evald.executor.sweeper import Sweeper
from evald.flows.flow import Flow
from evald.processes import share_memory
from evald.rpc.access import Gate
from evald.rpc.server import Server
from evald.settings import Settings
from evald.store.store import Store
from evald.worker import Worker

log = structlog.get_logger()


class App:
    """Everything that one server consists of, put together. `serve` runs it."""

    def __init__(self, settings: Settings) -> None:
        load_plugins()
        self.settings = settings
        self.worker = Worker(settings.data_dir, alone=settings.is_alone)
        self.store = Store(settings, name=self.worker.name)
        self.vault = Vault(settings.clients)
        self.artifacts = ArtifactStore(settings.clients)
        self.gpus, self.backend = gpus_and_backend(settings)
        self.runs = Runs(settings.data_dir / "runs")
        self.executor = Executor(
            self.store.queue,
            self.gpus,
            self._attempt,
            self.artifacts.url,
            self.store.fleet,
            server=self._server(),
            lease_seconds=settings.lease_seconds,
        )
        leftovers = Leftovers(settings.clients.collections)
        self.sweepers = (
            Sweeper(self.store.queue.over, Dropper(settings.milvus_url, leftovers)),
            Sweeper(self.store.queue.ended, Clearer(self.runs), every=CLEAR_SECONDS),
        )
        maker = Maker()
        targets = Entities(
            self.store.targets,
            self.vault,
            maker,
            ids.TARGET,
            check_target,
            fixed=("namespace", "name"),
            store=settings.data_store_url,
        )
        configs = Entities(
            self.store.configs,
            self.vault,
            maker,
            ids.CONFIG,
            check_config,
            store=settings.data_store_url,
        )
        files = JobFiles(self.store.jobs, self.artifacts, self.runs, zipped)
        jobs = Jobs(
            self.store.jobs,
            self.store.samples,
            targets,
            configs,
            self.vault,
            self.executor,
            files,
            fits,
        )
        results = Results(self.store.results, self.vault, self.store.jobs.namespace)
        gate = Gate(self.store.tokens if settings.auth == "tokens" else None)
        watches = Watches(self.store.events, maker)
        servers = fleet.Fleet(self.store.fleet)
        evaluator = Live(self.backend, self.vault, self._redaction, settings.clients)
        live = LiveEvaluations(jobs, evaluator, maker, seconds=settings.live_seconds)
        self.server = Server(
            settings,
            targets,
            configs,
            jobs,
            results,
            files,
            watches,
            live,
            servers,
            catalog.describe,
            gate=gate,
        )

    def _server(self) -> fleet.Server:
        """This server as others see it."""
        return fleet.Server(
            self.worker.name,
            socket.gethostname(),
            self.settings.slots,
            self.settings.namespace_slots,
            self.settings.gpu_sharing,
            self.gpus.devices,
            datetime.now(UTC),
        )

    def _attempt(self, claim: Claim, devices: tuple[str, ...]) -> Attempt:
        output = Output(
            claim.fence,
            self.runs,
            self.artifacts,
            {
                "target": self.vault.mask(claim.target),
                "config": self.vault.mask(claim.config),
            },
            self._redaction(claim.target, claim.config),
        )
        return Attempt(
            claim,
            devices=devices,
            queue=self.store.queue,
            samples=self.store.samples,
            backend=self.backend,
            vault=self.vault,
            output=output,
            clients=self.settings.clients,
            grace=self.settings.grace_seconds,
            max_runtime=self.settings.max_runtime,
        )

    def _redaction(self, *documents: Mapping[str, Any]) -> Callable[[str], str]:
        """What takes the secrets of documents out of a text. Raises EvaluationError."""
        known = secret_values(self.vault.unseal(list(documents)))
        return lambda text: redact(text, known)

    async def start(self, unix_socket: Path | None = None) -> int:
        """Listens, takes up work, and answers the gRPC port; also listens on a `unix_socket` if
        one is given. Raises Unavailable."""
        port = await self.server.start(unix_socket)
        self.executor.start()
        for sweeper in self.sweepers:
            sweeper.start()
        return port

    async def stop(self) -> None:
        """Drains: no new calls, no new jobs; what runs may end within the grace time."""
        grace = self.settings.grace_seconds
        await asyncio.gather(self.server.stop(grace), asyncio.to_thread(self.executor.stop, grace))
        await asyncio.to_thread(self.backend.close)
        for sweeper in self.sweepers:
            await asyncio.to_thread(sweeper.stop)
        self.store.close()
        self.worker.close()


def gpus_and_backend(settings: Settings) -> tuple[Gpus, Backend]:
    """The GPUs to lease, and what runs attempts on them. Raises Unavailable or InvalidArgument."""
    if settings.executor == "local":
        limits = Limits.here(settings.job_memory, settings.job_processes, settings.job_output)
        gpus = Gpus(settings.gpus, sharing=settings.gpu_sharing)
        return gpus, LocalBackend(limits, warm=settings.warm_children)
    if settings.ray_address is None:
        gpus = Gpus(settings.gpus)
        return gpus, RayBackend(settings, Driver(settings, gpus.devices))
    if settings.gpus != "auto":
        return Gpus(settings.gpus), RayBackend(settings, Driver(settings))
    gpus = Gpus("none")
    return gpus, RayBackend(settings, Driver(settings, on_gpus=gpus.replace))


EXAMPLES = "custom, similarity_metrics, rag or gsm8k"
ALL = "evald flows, or GET /v1/evaluation/flows, shows all types"


def load_plugins() -> None:
    """Reads every flow and metric, so that a broken plugin shows now and not in a job. Raises
    Unavailable."""
    try:
        registry.flows()
        registry.metrics()
    except Exception as e:
        raise Unavailable(f"a plugin is broken: {e}") from e


def check_config(config: Mapping[str, Any]) -> None:
    """Raises InvalidArgument unless an installed flow can run the config."""
    kind = config.get("type")
    if not kind:
        raise InvalidArgument.of("type", f"say how to evaluate, such as {EXAMPLES}; {ALL}")
    flow = flow_of(kind, "type")
    check_datasets(config)
    flow.check(config)


def fits(target: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raises InvalidArgument when a config's flow cannot evaluate the target."""
    flow = flow_of(config["type"], "config.type")
    compatibility.check(target, config, flow.targets)
    flow.check_job(target, config)


def flow_of(kind: str, field: str) -> Flow:
    """The flow of a config type. Raises InvalidArgument when none has it."""
    try:
        return registry.flows()[kind]()
    except LookupError as e:
        raise InvalidArgument.of(field, f"{e}; {ALL}") from None


async def run(settings: Settings, *, gateway: bool) -> int:
    """Runs a server until a signal ends it, or its gateway dies. Answers the exit status.

    The first SIGTERM or SIGINT drains; the second one ends everything at once.
    """
    share_memory()
    logs.configure(settings)
    exposure.check(settings)
    if not gateway:
        return await _run(settings, None)
    with private_folder() as folder:
        return await _run(settings, folder)


async def _run(settings: Settings, sockets: Path | None) -> int:
    """Runs a server, and with a folder for `sockets` its gateway too."""
    app = App(settings)
    if settings.auth == "tokens" and not app.store.tokens.all():
        log.warning("nobody has a token yet; make one by `evald tokens create`")
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if ending.is_set():
            os._exit(128 + number)
        log.info("stopping", signal=number.name)
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    envoy = None
    status = 0
    try:
        port = await app.start(sockets and sockets / "grpc")
        if sockets is not None:
            envoy = Envoy(settings, sockets, log_path=settings.data_dir / "envoy.log")
            await asyncio.to_thread(envoy.start)
        log.info(
            "evald is ready",
            **addresses(settings, port, gateway=envoy is not None),
            data_dir=str(settings.data_dir.resolve()),
        )
        while not ending.is_set():
            if envoy is not None and not envoy.alive:
                log.error("the gateway died", log=str(settings.data_dir / "envoy.log"))
                status = 1
                break
            await _wait(ending, 0.2)
    finally:
        await app.stop()
        if envoy is not None:
            await asyncio.to_thread(envoy.stop)
    return status


def addresses(settings: Settings, port: int, *, gateway: bool) -> dict[str, str]:
    """Where the server can be reached."""
    grpc = {"grpc": f"{settings.host}:{port}"}
    scheme = "https" if settings.tls_cert else "http"
    rest = {"rest": f"{scheme}://{settings.host}:{settings.rest_port}"}
    return {**rest, **grpc} if gateway else grpc


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
