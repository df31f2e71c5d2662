"""Connections to PostgreSQL that wait for no answer for ever."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

from evald.deadline import left

SILENT_SECONDS = 40.0
"""How long PostgreSQL may say nothing, unless a call has more time. This is longer than writers
wait for each other."""


def connect(*args: Any, **given: Any) -> Connection:
    """As psycopg.connect."""
    return Connection.connect(*args, **given)


class Connection(psycopg.Connection[Any]):
    """Breaks when PostgreSQL says nothing for too long.

    TCP notices a machine that is gone, but neither a PostgreSQL that hangs nor a proxy that has
    lost its own. Whoever waited for one would do so until it goes on, a drain and the renewal of
    leases included.
    """

    def wait(self, gen: Any, *args: Any, **given: Any) -> Any:
        """As psycopg's. Raises OperationalError."""
        return super().wait(self._listen(gen), *args, **given)

    def _listen(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        longest = max(SILENT_SECONDS, left() or 0.0)
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > longest:
                    self.close()
                    raise psycopg.OperationalError(
                        f"PostgreSQL, or what is before it, has said nothing for {longest:.0f} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as e:
            return e.value
