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


class Store:
    """Opens the database of the settings, migrated to the newest schema."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(
            settings.database,
            pool_size=settings.rpc_threads + settings.slots + settings.live_slots + 8,
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
