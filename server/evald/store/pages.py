"""Pages of lists: which rows are on one, and how many there are in all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.types import TypeEngine
from sqlmodel import Session

from evald.domain.listing import ListQuery, Page, Place
from evald.errors import InvalidArgument
from evald.store import filters, search
from evald.store.engine import UtcDateTime
from evald.store.tables import Entity, write_time

COUNT_BOUND = 10_000
"""Rows that are counted for each page. How many there are beyond is counted now and then."""

COUNT_SECONDS = 10.0
"""How long such a count is taken for true."""

COUNTS = 256
"""Lists whose counts are remembered."""

Row = TypeVar("Row", bound=Entity)


class Pages(Generic[Row]):
    """The lists of one table. Ties are put in order by id."""

    def __init__(self, row: type[Row]) -> None:
        self._row = row
        self._counts: dict[str, tuple[float, int]] = {}

    def read(self, session: Session, query: ListQuery) -> Page:
        """One page as documents. Raises InvalidArgument."""
        row = self._row
        matching: Select[Any] = select(row).where(
            *filters.visible(row),
            *filters.conditions(row, query.filter),
            *search.conditions(row, query.search),
        )
        order = [getattr(row, query.sort.removeprefix("-")), row.id]
        rows, last = cut(session, matching, order, query, descending=query.sort.startswith("-"))
        total = self._count(session, matching.with_only_columns(row.id))
        return Page([found.document() for found in rows], total, last)

    def _count(self, session: Session, matching: Select[Any]) -> int:
        """How many rows there are: exact up to a bound, from there on seconds old."""
        few = select(func.count()).select_from(matching.limit(COUNT_BOUND + 1).subquery())
        total = session.scalar(few) or 0
        if total <= COUNT_BOUND:
            return total
        compiled = matching.compile(session.get_bind())
        key = f"{compiled} {compiled.params}"
        at, total = self._counts.get(key, (0.0, 0))
        now = time.monotonic()
        if not at or now - at > COUNT_SECONDS:
            total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
            if len(self._counts) >= COUNTS:
                self._counts.clear()
            self._counts[key] = (now, total)
        return total


def cut(
    session: Session,
    matching: Select[Any],
    order: Sequence[Any],
    query: ListQuery,
    *,
    descending: bool = False,
) -> tuple[list[Any], Place | None]:
    """The rows of a page of a list in order of some columns, and the place of the last one when
    others follow. Raises InvalidArgument when the query's own place cannot be one."""
    ordered = matching.order_by(*(c.desc() if descending else c for c in order))
    if query.after is None:
        ordered = ordered.offset((query.page - 1) * query.page_size)
    else:
        before, here = tuple_(*order), tuple_(*_values(order, query.after))
        ordered = ordered.where(before < here if descending else before > here)
    rows = list(session.scalars(ordered.limit(query.page_size + 1)))
    if len(rows) <= query.page_size:
        return rows, None
    rows.pop()
    return rows, tuple(_plain(getattr(rows[-1], column.key)) for column in order)


def _plain(value: Any) -> Any:
    return write_time(value) if isinstance(value, datetime) else value


def _values(order: Sequence[Any], place: Place) -> list[Any]:
    """The values of a place, as the columns hold them. Raises InvalidArgument."""
    try:
        return [literal(_value(c.type, v), c.type) for c, v in zip(order, place, strict=True)]
    except (TypeError, ValueError):
        raise InvalidArgument.of("page_token", "this is no token of this list") from None


def _value(kind: TypeEngine[Any], value: str | int) -> Any:
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    if not isinstance(value, kind.python_type):
        raise TypeError
    return value
