"""Rows of servers, and the fleet as it stands."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.sql.functions import count
from sqlmodel import Session, col

from evald.domain.devices import Device, Need
from evald.domain.fleet import Queued, Running, Server, Snapshot
from evald.domain.states import HELD, WAITING
from evald.store.clock import epoch, wall
from evald.store.engine import Database
from evald.store.queue import EXPIRED
from evald.store.tables import JobRow, ServerRow
from evald.store.turns import IN_TURN

QUEUE_LIMIT = 1000

ALIVE = col(ServerRow.seen_until) >= epoch()


class FleetStore:
    """Keeps which servers are alive."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def renew(self, server: Server, *, seconds: float) -> None:
        """Says that a server is alive, for so long, and forgets those that are dead."""
        with self._database.write("alive") as session:
            moment, seen_at = session.execute(select(epoch(), wall())).one()
            gone = select(ServerRow.id).where(col(ServerRow.seen_until) < moment)
            # One that has stopped may have locked its own row.
            free = gone.with_for_update(skip_locked=True)
            session.execute(delete(ServerRow).where(col(ServerRow.id).in_(free)))
            session.merge(_row(server, seen_at, moment + seconds))

    def end_dead(self) -> None:
        """Ends the connections to the database of servers that are dead and whose leases have run
        out, and with them what they have locked."""
        alive = select(ServerRow.id).where(ALIVE)
        holders = select(JobRow.worker).where(EXPIRED, col(JobRow.worker).not_in(alive))
        with self._database.read() as session:
            dead = set(filter(None, session.scalars(holders)))
        self._database.end_sessions(dead)

    def leave(self, server_id: str) -> None:
        """Says that a server has ended."""
        with self._database.write("leave") as session:
            session.execute(delete(ServerRow).where(ServerRow.id == server_id))

    def servers(self) -> list[Server]:
        """Those that are alive, by id."""
        with self._database.read() as session:
            return _alive(session)

    def snapshot(self) -> Snapshot:
        """The fleet now, whoever asks."""
        with self._database.read() as session:
            moment = session.scalar(select(epoch())) or 0.0
            running = session.execute(
                select(
                    JobRow.id,
                    JobRow.namespace,
                    JobRow.worker,
                    JobRow.attempt,
                    JobRow.devices,
                    JobRow.gpus,
                    JobRow.gpu_memory,
                )
                .where(col(JobRow.status).in_(HELD))
                .order_by(JobRow.worker, JobRow.id)
            )
            waiting = col(JobRow.status).in_(WAITING)
            queue = session.execute(
                select(
                    JobRow.id,
                    JobRow.namespace,
                    JobRow.priority,
                    JobRow.gpus,
                    JobRow.gpu_memory,
                    JobRow.created_at,
                    JobRow.not_before,
                )
                .where(waiting)
                .order_by(*IN_TURN)
                .limit(QUEUE_LIMIT)
            )
            return Snapshot(
                servers=_alive(session),
                running=[
                    Running(i, ns, worker, attempt, tuple(devices or ()), Need(gpus, memory))
                    for i, ns, worker, attempt, devices, gpus, memory in running
                ],
                queue=[
                    Queued(i, ns, priority, Need(gpus, memory), at, since - moment)
                    for i, ns, priority, gpus, memory, at, since in queue
                ],
                waiting=session.scalar(select(count()).select_from(JobRow).where(waiting)) or 0,
            )


def _alive(session: Session) -> list[Server]:
    rows = session.scalars(select(ServerRow).where(ALIVE).order_by(ServerRow.id))
    return [
        Server(
            row.id,
            row.host,
            row.slots,
            row.namespace_slots,
            row.gpu_sharing,
            tuple(Device(**device) for device in row.devices),
            row.started_at,
            datetime.fromtimestamp(row.seen_at, UTC),
        )
        for row in rows
    ]


def _row(server: Server, seen_at: float, seen_until: float) -> ServerRow:
    return ServerRow(
        id=server.id,
        host=server.host,
        slots=server.slots,
        namespace_slots=server.namespace_slots,
        gpu_sharing=server.gpu_sharing,
        devices=[asdict(device) for device in server.devices],
        started_at=server.started_at,
        seen_at=seen_at,
        seen_until=seen_until,
    )
