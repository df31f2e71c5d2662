"""The store: one database, and what is kept in it."""

from __future__ import annotations

from evald.settings import Settings
from evald.store.engine import Database
from evald.store.entities import EntityStore
from evald.store.events import EventStore
from evald.store.fleet import FleetStore
from evald.store.jobs import JobStore
from evald.store.migrate import migrate
from evald.store.queue import Queue
from evald.store.results import ResultStore
from evald.store.samples import SampleStore
from evald.store.tables import ConfigRow, TargetRow
from evald.store.tokens import TokenStore

REST_SHARE = 1 / 4
"""Of a lease, how long a writer may leave the database without its next statement. Up to three
transactions of a server that is stopped may wait for one another: one that writes samples, the
renewal of all leases, and another one that writes samples. All must be over when the leases are."""

SHORTEST_REST = 5.0
"""Seconds that a writer has at least, on a machine that is busy. Where leases are shorter, what a
stopped server has locked is let go when its leases have run out."""


class Store:
    """Opens the database of the settings, migrated to the newest schema."""

    def __init__(self, settings: Settings, *, name: str = "evald") -> None:
        """`name` is that of the server, by which others end its connections when it is dead."""
        self.database = Database(
            settings.database,
            pool_size=settings.rpc_threads + settings.slots + settings.live_slots + 8,
            rest_seconds=max(SHORTEST_REST, REST_SHARE * settings.lease_seconds),
            name=name,
        )
        migrate(self.database)
        self.targets = EntityStore(self.database, TargetRow, "target")
        self.configs = EntityStore(self.database, ConfigRow, "config")
        self.jobs = JobStore(self.database)
        self.events = EventStore(self.database)
        self.results = ResultStore(self.database)
        self.queue = Queue(
            self.database,
            max_attempts=settings.max_attempts,
            namespace_slots=settings.namespace_slots,
        )
        self.fleet = FleetStore(self.database)
        self.samples = SampleStore(self.database)
        self.tokens = TokenStore(self.database)

    def close(self) -> None:
        self.database.close()
