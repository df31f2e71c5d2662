"""Turns the filter of a list request into SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.sql.functions import count
from sqlmodel import Session

from evald.domain.listing import ListQuery
from evald.errors import InvalidArgument, Unimplemented
from evald.store.tables import Entity

Row = TypeVar("Row", bound=Entity)

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def page(session: Session, row: type[Row], query: ListQuery) -> tuple[list[Row], int]:
    """The rows of one page, and how many rows the whole list has. Ties are put in order by id."""
    matching: Select[Any] = select(row).where(*conditions(row, query.filter))
    total = session.scalar(matching.with_only_columns(count(row.id)).order_by(None)) or 0
    column = getattr(row, query.sort.removeprefix("-"))
    order = [column.desc(), row.id.desc()] if query.sort.startswith("-") else [column, row.id]
    start = (query.page - 1) * query.page_size
    found = session.scalars(matching.order_by(*order).offset(start).limit(query.page_size))
    return list(found), total


def conditions(row: type[Entity], filter: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """The conditions of a filter in plain form on the columns of a row."""
    found: list[ColumnElement[bool]] = []
    for field, wanted in filter.items():
        column = getattr(row, field, None)
        if field == "created_at":
            bounds = wanted if isinstance(wanted, Mapping) else {"eq": wanted}
            for comparison, text in bounds.items():
                moment = parse_time(text, f"filter.{field}.{comparison}")
                found.append(COMPARISONS[comparison](column, moment))
        elif column is None or field == "custom_fields" or not isinstance(wanted, str):
            raise Unimplemented(f"filter.{field} is not there yet")
        else:
            found.append(column == wanted)
    return found


def parse_time(text: str, field: str) -> datetime:
    """Reads an ISO 8601 time or date; without a zone it is UTC. Raises InvalidArgument."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument.of(field, f"{text!r} is not an ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
