"""Connections to PostgreSQL that wait for no answer for ever."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg

SILENT_SECONDS = 40.0
"""How long PostgreSQL may say nothing to a statement: longer than writers wait for each other."""

PING_SECONDS = 5.0
"""How long it may say nothing when it is only asked whether it is there, as before each use of a
connection."""

_patient: ContextVar[bool] = ContextVar("patient", default=False)


@contextmanager
def patient() -> Iterator[None]:
    """In this block PostgreSQL may take as long as it wants, as for a change of the schema."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)


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
        # SQLAlchemy asks whether it is there, and nothing else, outside of a transaction.
        longest = PING_SECONDS if self.autocommit else SILENT_SECONDS
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > longest and not _patient.get():
                    self.close()
                    raise psycopg.OperationalError(
                        f"PostgreSQL, or what is before it, has said nothing for {longest:.0f} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as e:
            return e.value
