"""The fleet: the servers on one database, their GPUs, what runs on them and what waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evald.domain.access import caller
from evald.domain.devices import Accounts, Device, Need, gib
from evald.domain.documents import Document, write_time


@dataclass(frozen=True, slots=True)
class Server:
    """A server that claims jobs, and what it may run."""

    id: str
    host: str
    slots: int
    namespace_slots: int
    gpu_sharing: bool
    devices: tuple[Device, ...]
    started_at: datetime
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A job that a server runs. `devices` are named as CUDA_VISIBLE_DEVICES does."""

    job_id: str
    namespace: str
    server: str
    attempt: int
    devices: tuple[str, ...]
    need: Need


@dataclass(frozen=True, slots=True)
class Queued:
    """A job that waits; for `seconds` more it may not start."""

    job_id: str
    namespace: str
    priority: int
    need: Need
    created_at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet at one moment. `queue` is in order, and may be the beginning of `waiting` jobs."""

    servers: Sequence[Server]
    running: Sequence[Running]
    queue: Sequence[Queued]
    waiting: int


class FleetStore(Protocol):
    """Where servers say that they are alive."""

    def renew(self, server: Server, *, seconds: float) -> None:
        """Says that a server is alive, for so long."""

    def end_dead(self) -> None:
        """Takes from dead servers, whose leases have run out, what they keep others from."""

    def leave(self, server_id: str) -> None:
        """Says that a server has ended."""

    def servers(self) -> list[Server]:
        """Those that are alive, by id."""

    def snapshot(self) -> Snapshot:
        """The fleet now, whoever asks."""


class Fleet:
    """Shows the fleet. To callers of some namespaces the jobs of others have no names."""

    def __init__(self, store: FleetStore) -> None:
        self._store = store

    def describe(self) -> Document:
        """`{"servers", "devices", "leases", "queue", "queue_size"}`; memory is in GiB."""
        fleet = self._store.snapshot()
        running = Counter(job.server for job in fleet.running)
        ids = {(s.id, device.visible): device.uuid for s in fleet.servers for device in s.devices}
        accounts = {server.id: booked(server, fleet.running) for server in fleet.servers}
        return {
            "servers": [
                {
                    "id": server.id,
                    "host": server.host,
                    "slots": server.slots,
                    "running": running[server.id],
                    "gpu_sharing": server.gpu_sharing,
                    "started_at": write_time(server.started_at),
                    "seen_at": server.seen_at and write_time(server.seen_at),
                }
                for server in fleet.servers
            ],
            "devices": [
                {
                    "server": server.id,
                    "index": device.index,
                    "id": device.uuid,
                    "name": device.name,
                    "memory": gib(device.memory_mib),
                    "free_memory": gib(accounts[server.id].free_mib(device)),
                    "idle": accounts[server.id].is_idle(device),
                    "simulated": device.simulated,
                }
                for server in fleet.servers
                for device in server.devices
            ],
            "leases": [
                {
                    **named(job.job_id, job.namespace),
                    "server": job.server,
                    "attempt": job.attempt,
                    "devices": [ids.get((job.server, name), name) for name in job.devices],
                    **asked(job.need),
                }
                for job in fleet.running
            ],
            "queue": [
                {
                    "position": position,
                    **named(job.job_id, job.namespace),
                    "priority": job.priority,
                    "created_at": write_time(job.created_at),
                    **asked(job.need),
                    "reason": reason,
                }
                for position, (job, reason) in enumerate(reasons(fleet, accounts), 1)
            ],
            "queue_size": fleet.waiting,
        }


def named(job_id: str, namespace: str) -> Document:
    """What the caller may know of a job."""
    return {"job": job_id, "namespace": namespace} if caller().sees(namespace) else {}


def asked(need: Need) -> Document:
    memory = {"gpu_memory": gib(need.memory_mib)} if need.memory_mib else {}
    return {"gpus": need.gpus, **memory}


def booked(server: Server, running: Sequence[Running]) -> Accounts:
    """The accounts of a server that runs these of the jobs that are its own."""
    accounts = Accounts(server.devices, sharing=server.gpu_sharing)
    for job in running:
        if job.server == server.id:
            held = (device for device in server.devices if device.visible in job.devices)
            accounts.take(held, job.need)
    return accounts


def reasons(fleet: Snapshot, accounts: Mapping[str, Accounts]) -> Iterator[tuple[Queued, str]]:
    """The jobs that wait, and why each does."""
    namespaces = Counter(job.namespace for job in fleet.running)
    running = Counter(job.server for job in fleet.running)
    free = {server.id: server.slots - running[server.id] for server in fleet.servers}
    for job in fleet.queue:
        yield job, reason(job, fleet.servers, accounts, free, namespaces[job.namespace])


def reason(
    job: Queued,
    servers: Sequence[Server],
    accounts: Mapping[str, Accounts],
    free: Mapping[str, int],
    running: int,
) -> str:
    """Why a job waits. `free` are slots by server; `running` counts jobs of its namespace."""
    if job.seconds > 0:
        return f"runs again in {job.seconds:.0f} s at the earliest"
    if not servers:
        return "no server runs"
    able = [server for server in servers if job.need.fits(server.devices)]
    if not able:
        return f"needs {job.need}, which no server has"
    caps = [server.namespace_slots for server in able]
    if all(0 < cap <= running for cap in caps):
        return f"its namespace runs {running} of {max(caps)} jobs that may run at once"
    if not any(free[server.id] > 0 for server in able):
        return f"all {sum(server.slots for server in able)} slots are taken"
    room = max(len(accounts[server.id].fitting(job.need)) for server in able if free[server.id] > 0)
    if room < job.need.gpus:
        return f"needs {job.need}, {room} free"
    return "its turn has not come yet"
