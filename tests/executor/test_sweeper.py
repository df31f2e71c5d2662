"""Which collections are dropped, and when that is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event

import pytest

from evald.errors import Unavailable
from evald.executor import sweeper
from evald.executor.sweeper import Sweeper


@dataclass
class Jobs:
    """Jobs that run; all others are over."""

    running: set[str] = field(default_factory=set)
    away: bool = False
    asked: int = 0

    def over(self, job_ids: Iterable[str]) -> set[str]:
        self.asked += 1
        if self.away:
            raise Unavailable("the database is away")
        return set(job_ids) - self.running


@dataclass
class Server:
    """Collections by their jobs, and drops that fail."""

    there: dict[str, str]
    failing: int = 0
    tries: int = 0
    dropped: Event = field(default_factory=Event)
    closed: bool = False
    kind: str = "collections"

    def idle(self) -> dict[str, str]:
        return dict(self.there)

    def drop(self, collections: Sequence[str]) -> dict[str, str]:
        self.tries += 1
        if self.tries <= self.failing:
            return dict.fromkeys(collections, "no")
        for collection in collections:
            del self.there[collection]
        self.dropped.set()
        return {}

    def close(self) -> None:
        self.closed = True


def test_collections_of_jobs_that_are_over_are_dropped() -> None:
    server = Server({"evald_a_0": "a", "evald_a_1": "a", "evald_b_0": "b"})
    jobs = Jobs({"b"})
    assert Sweeper(jobs.over, server).sweep()
    assert server.there == {"evald_b_0": "b"}
    assert Sweeper(jobs.over, server).sweep()
    assert server.tries == 1, "there was nothing more to drop"
    jobs.running.clear()
    assert Sweeper(jobs.over, server).sweep()
    assert server.there == {}
    asked = jobs.asked
    assert Sweeper(jobs.over, server).sweep()
    assert jobs.asked == asked, "without collections nobody is asked"


def test_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "LONGEST_SECONDS", 0.02)
    server, jobs = Server({"evald_a_0": "a"}, failing=2), Jobs(away=True)
    swept = Sweeper(jobs.over, server, every=0.01)
    swept.start()
    while jobs.asked < 2:
        time.sleep(0.01)
    assert not server.tries
    jobs.away = False
    assert server.dropped.wait(10)
    swept.stop()
    assert server.tries == 3
    assert server.closed
    assert "sweeper" not in {thread.name for thread in threading.enumerate()}
