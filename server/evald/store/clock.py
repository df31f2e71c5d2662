"""Times as the database keeps them, and the clocks that it tells them by."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Double, TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which keeps no zone, holds it naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and (
            value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        )


class epoch(FunctionElement[float]):
    """Seconds since 1970 by the clock that judges leases and waits: on PostgreSQL the database's
    own, which all servers share; on SQLite, which has one server, that server's steady clock."""

    type = Double()
    inherit_cache = True


class wall(FunctionElement[float]):
    """Seconds since 1970 by the database's wall clock, for what users read."""

    type = Double()
    inherit_cache = True


@compiles(epoch, "sqlite")
def _epoch_sqlite(element: epoch, compiler: Any, **kw: Any) -> str:
    return "(select steady_epoch())"  # a query of its own is asked once, not for each row


@compiles(wall, "sqlite")
def _wall_sqlite(element: wall, compiler: Any, **kw: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(epoch, "postgresql")
@compiles(wall, "postgresql")
def _now_postgresql(element: epoch | wall, compiler: Any, **kw: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def steady_clock() -> Callable[[], float]:
    """A clock of seconds since 1970 that is right now, and then goes on at an even pace whatever
    becomes of the machine's wall clock."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()
