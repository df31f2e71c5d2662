"""The gRPC server: services, health and reflection on one port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from evald.domain.documents import Document
from evald.domain.entities import Entities
from evald.domain.fleet import Fleet
from evald.domain.jobs import Jobs
from evald.domain.live import LiveEvaluations
from evald.domain.results import Results
from evald.domain.watch import Watches
from evald.errors import Unavailable
from evald.rpc.access import Gate
from evald.rpc.downloads import Downloads
from evald.rpc.entities import ConfigServicer, TargetServicer
from evald.rpc.executor import ExecutorServicer
from evald.rpc.flows import FlowServicer
from evald.rpc.interceptor import CallInterceptor
from evald.rpc.jobs import Files, JobServicer
from evald.rpc.lane import Lane
from evald.rpc.results import ResultServicer
from evald.rpc.size import Sizes
from evald.settings import Settings
from evaluation.v1 import (
    config_service_pb2,
    config_service_pb2_grpc,
    executor_service_pb2,
    executor_service_pb2_grpc,
    flow_service_pb2,
    flow_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    result_service_pb2,
    result_service_pb2_grpc,
    target_service_pb2,
    target_service_pb2_grpc,
)

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Calls that wait for the loop. When thousands of watches begin at once, gRPC would cancel some.
    ("grpc.server.max_pending_requests", 10_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
)


class Server:
    """Answers calls: unary ones on a pool of threads, live evaluations on another, streams on the
    event loop, so that no number of the latter can keep a unary call waiting."""

    def __init__(
        self,
        settings: Settings,
        targets: Entities,
        configs: Entities,
        jobs: Jobs,
        results: Results,
        files: Files,
        watches: Watches,
        live: LiveEvaluations,
        fleet: Fleet,
        catalog: Callable[[], Document],
        *,
        gate: Gate,
    ) -> None:
        self._settings = settings
        self._watches = watches
        self._downloads = Downloads(settings.max_downloads)
        self._lane = Lane(settings.live_slots, "live")
        self._threads = ThreadPoolExecutor(settings.rpc_threads, thread_name_prefix="rpc")
        sizes = Sizes(settings.body_limit)
        interceptor = CallInterceptor(
            gate, sizes, max_streams=settings.max_streams, timeout=settings.request_timeout
        )
        self._server = grpc.aio.server(
            self._threads,
            interceptors=[interceptor],
            options=(
                *OPTIONS,
                ("grpc.max_receive_message_length", sizes.received),
                ("grpc.max_send_message_length", sizes.answer),
            ),
        )
        self._health = health.aio.HealthServicer()
        services: Iterable[tuple[FileDescriptor, Callable[[Any, Any], None], Any]] = (
            (
                target_service_pb2.DESCRIPTOR,
                target_service_pb2_grpc.add_TargetServiceServicer_to_server,
                TargetServicer(targets, sizes),
            ),
            (
                config_service_pb2.DESCRIPTOR,
                config_service_pb2_grpc.add_ConfigServiceServicer_to_server,
                ConfigServicer(configs, sizes),
            ),
            (
                job_service_pb2.DESCRIPTOR,
                job_service_pb2_grpc.add_JobServiceServicer_to_server,
                JobServicer(
                    jobs,
                    results,
                    files,
                    watches,
                    live,
                    downloads=self._downloads,
                    lane=self._lane,
                ),
            ),
            (
                result_service_pb2.DESCRIPTOR,
                result_service_pb2_grpc.add_ResultServiceServicer_to_server,
                ResultServicer(results, sizes),
            ),
            (
                executor_service_pb2.DESCRIPTOR,
                executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server,
                ExecutorServicer(fleet),
            ),
            (
                flow_service_pb2.DESCRIPTOR,
                flow_service_pb2_grpc.add_FlowServiceServicer_to_server,
                FlowServicer(catalog),
            ),
            (
                health_pb2.DESCRIPTOR,
                health_pb2_grpc.add_HealthServicer_to_server,
                self._health,
            ),
        )
        self._names = [reflection.SERVICE_NAME]
        for descriptor, add, servicer in services:
            add(servicer, self._server)
            self._names += [s.full_name for s in descriptor.services_by_name.values()]
        reflection.enable_server_reflection(self._names, self._server)

    async def start(self, socket: Path | None = None) -> int:
        """Listens and answers the port; on a unix `socket` too, without TLS, if one is given.
        Raises Unavailable when the port is taken."""
        host = self._settings.host
        address = f"{f'[{host}]' if ':' in host else host}:{self._settings.grpc_port}"
        credentials = tls_credentials(self._settings)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
            if socket is not None:
                self._server.add_insecure_port(f"unix:{socket}")
        except RuntimeError as e:
            raise Unavailable(
                f"cannot listen on {address}; is another server there? choose another --grpc-port"
            ) from e
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return int(port)

    async def stop(self, grace: float) -> None:
        """Says that it serves no more, ends watches, and lets other calls in flight finish for
        `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        self._watches.close()
        await self._server.stop(grace)
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._downloads.close)
        await asyncio.to_thread(self._lane.close)


def tls_credentials(settings: Settings) -> Any:
    """What the port shows its clients, and asks of them; None for a port without TLS."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
    authority = settings.tls_client_ca and settings.tls_client_ca.read_bytes()
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=bool(authority))
