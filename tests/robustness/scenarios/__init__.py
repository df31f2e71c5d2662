"""What is done to servers while they work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.robustness.scenarios import children, databases, ends, kills, nodes, queues
from tests.robustness.world import Run

SQLITE, POSTGRESQL = "sqlite", "postgresql"
LOCAL, RAY = "local", "ray"
DATABASES = (SQLITE, POSTGRESQL)
EXECUTORS = (LOCAL, RAY)


@dataclass(frozen=True)
class Scenario:
    """`play` notes figures in a run, on these databases and executors."""

    play: Callable[[Run], None]
    databases: tuple[str, ...] = DATABASES
    executors: tuple[str, ...] = (LOCAL,)

    @property
    def name(self) -> str:
        return self.play.__name__.replace("_", "-")

    def plays(self, database: str, executor: str) -> bool:
        return database in self.databases and executor in self.executors


ALL = {
    scenario.name: scenario
    for scenario in (
        Scenario(kills.kills, executors=EXECUTORS),
        Scenario(kills.crashes, executors=EXECUTORS),
        Scenario(kills.rescues_by_others, databases=(POSTGRESQL,)),
        Scenario(kills.zombies, databases=(POSTGRESQL,)),
        Scenario(kills.claimed_back),
        Scenario(databases.locked),
        Scenario(databases.disk_full),
        Scenario(databases.no_folder),
        Scenario(databases.database_restarted, databases=(POSTGRESQL,), executors=EXECUTORS),
        Scenario(databases.clock_jumps),
        Scenario(databases.endpoint_down),
        Scenario(ends.drains, executors=EXECUTORS),
        Scenario(ends.cancels, executors=EXECUTORS),
        Scenario(children.children, executors=EXECUTORS),
        Scenario(children.poison, executors=EXECUTORS),
        Scenario(queues.claims),
        Scenario(queues.starved),
        Scenario(queues.duplicates),
        Scenario(nodes.nodes, databases=(SQLITE,), executors=(RAY,)),
    )
}
