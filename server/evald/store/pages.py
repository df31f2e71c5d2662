"""Pages of lists: which rows are on one, and how many there are in all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Integer, Select, Text, cast, func, literal, select, tuple_
from sqlalchemy.orm import defer
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.types import TypeEngine
from sqlmodel import Session, col

from evald.domain.documents import Document, write_time
from evald.domain.listing import ListQuery, Page, Place
from evald.errors import InvalidArgument
from evald.store.clock import UtcDateTime
from evald.store.members import headed
from evald.store.plans import Plan, plan
from evald.store.tables import ConfigRow, Entity, JobRow, ResultRow, TargetRow

COUNT_SECONDS = 10.0
"""How long a count beyond the bound of a plan is taken for true."""

COUNTS = 256
"""Lists whose counts are remembered."""

TARGETS: Mapping[type[Entity], str] = {TargetRow: "spec", JobRow: "target"}
"""Columns that hold a target with all its rows."""

LARGE: Mapping[type[Entity], str] = {ConfigRow: "spec", JobRow: "config", ResultRow: "tasks"}
"""Other columns that may be large."""

PAGE_LENGTH = 32 * 2**20
"""Characters of these on a page of several rows: as Python's objects they take ten times as much
memory, and many pages are read at once."""

Row = TypeVar("Row", bound=Entity)


class Count(NamedTuple):
    """How many rows a list had, and when by the monotonic clock."""

    total: int
    at: float


class Pages(Generic[Row]):
    """The lists of one table. Ties are put in order by id."""

    def __init__(self, row: type[Row]) -> None:
        self._row = row
        self._target = TARGETS.get(row)
        self._large = LARGE.get(row)
        self._counts: dict[str, Count] = {}

    def read(self, session: Session, query: ListQuery) -> Page:
        """One page as documents. Raises InvalidArgument."""
        planned = plan(session, self._row, query)
        rows, last = cut(
            session, planned.matching, planned.order, query, descending=query.sort.startswith("-")
        )
        found = self._documents(session, [id for (id,) in rows])
        if query.after is None and last is None and (rows or query.page == 1):
            return Page(found, (query.page - 1) * query.page_size + len(rows))
        return Page(found, self._count(session, planned), last)

    def _documents(self, session: Session, ids: Sequence[str]) -> list[Document]:
        """The rows with these ids, which alone are read whole, in their order."""
        row = self._row
        self._check_length(session, ids)
        whole: Select[Any] = select(row).where(col(row.id).in_(ids))
        if self._target is None:
            documents = {found.id: found.document() for found in session.scalars(whole)}
        else:
            target: Any = getattr(row, self._target)
            documents = {}
            cut_target = whole.add_columns(headed(target)).options(defer(target))
            for found, head in session.execute(cut_target):
                set_committed_value(found, self._target, head)
                documents[found.id] = found.document()
        return [documents[id] for id in ids if id in documents]

    def _check_length(self, session: Session, ids: Sequence[str]) -> None:
        """Raises InvalidArgument when the rows with these ids are too large to be read at once."""
        if self._large is None or len(ids) < 2:
            return
        length = func.sum(func.length(cast(getattr(self._row, self._large), Text)))
        found = session.scalar(select(length).where(col(self._row.id).in_(ids))) or 0
        if found > PAGE_LENGTH:
            raise InvalidArgument.of(
                "page_size",
                f"this page has {found / 2**20:.0f} MiB, and may have {PAGE_LENGTH // 2**20}; ask "
                "for fewer entries",
            )

    def _count(self, session: Session, planned: Plan) -> int:
        """How many rows there are: exact up to a bound, from there on seconds old."""
        compiled = planned.counted.compile(session.get_bind())
        # The conditions may be long, and are what somebody sent.
        key = sha256(f"{compiled} {compiled.params}".encode()).hexdigest()
        known = self._counts.get(key)
        if known is not None and time.monotonic() - known.at < COUNT_SECONDS:
            return known.total
        total = _rows(session, planned.counted.limit(planned.bound + 1))
        if total > planned.bound:
            total = _rows(session, planned.counted)
            if len(self._counts) >= COUNTS:
                self._counts.clear()
            self._counts[key] = Count(total, time.monotonic())
        return total


def _rows(session: Session, matching: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(matching.subquery())) or 0


def cut(
    session: Session,
    matching: Select[Any],
    order: Sequence[Any],
    query: ListQuery,
    *,
    descending: bool = False,
) -> tuple[list[tuple[Any, ...]], Place | None]:
    """The rows of a page of a list in order of some columns of theirs, and the place of the last
    one when others follow. Raises InvalidArgument when the query's own place cannot be one."""
    ordered = matching.add_columns(*order).order_by(*(c.desc() if descending else c for c in order))
    if query.after is None:
        ordered = ordered.offset((query.page - 1) * query.page_size)
    else:
        before, here = tuple_(*order), tuple_(*_values(order, query.after))
        ordered = ordered.where(before < here if descending else before > here)
    found = session.execute(ordered.limit(query.page_size + 1)).all()
    rows = [row[: -len(order)] for row in found[: query.page_size]]
    if len(found) <= query.page_size:
        return rows, None
    return rows, tuple(_plain(value) for value in found[query.page_size - 1][-len(order) :])


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
    if type(value) is not (int if isinstance(kind, Integer) else str):
        raise TypeError
    return value
