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
    """`play` notes figures in a run: with the executor `local` on these databases, and with `ray`
    on those."""

    play: Callable[[Run], None]
    local: tuple[str, ...] = DATABASES
    ray: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.play.__name__.replace("_", "-")

    def plays(self, database: str, executor: str) -> bool:
        return database in (self.local if executor == LOCAL else self.ray)


ALL = {
    scenario.name: scenario
    for scenario in (
        Scenario(kills.kills, ray=DATABASES),
        Scenario(kills.crashes, ray=DATABASES),
        Scenario(kills.rescues_by_others, local=(POSTGRESQL,)),
        Scenario(kills.zombies, local=(POSTGRESQL,)),
        Scenario(kills.writers, local=(POSTGRESQL,)),
        Scenario(kills.claimed_back, local=(POSTGRESQL,)),
        Scenario(databases.locked),
        Scenario(databases.disk_full),
        Scenario(databases.no_folder, local=(SQLITE,)),
        Scenario(databases.database_restarted, local=(POSTGRESQL,), ray=(POSTGRESQL,)),
        Scenario(databases.database_hangs, local=(POSTGRESQL,)),
        Scenario(databases.clock_jumps),
        Scenario(databases.endpoint_down, local=(SQLITE,)),
        Scenario(ends.drains, ray=(SQLITE,)),
        Scenario(ends.cancels, ray=(SQLITE,)),
        Scenario(children.children, ray=(SQLITE,)),
        Scenario(children.poison, local=(SQLITE,), ray=(SQLITE,)),
        Scenario(queues.claims),
        Scenario(queues.starved),
        Scenario(queues.duplicates),
        Scenario(nodes.nodes, local=(), ray=(SQLITE,)),
    )
}
