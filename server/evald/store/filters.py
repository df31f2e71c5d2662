"""Turns the filter of a list request into SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.sql.functions import count
from sqlmodel import Session, col

from evald.domain.access import caller
from evald.domain.listing import ListQuery
from evald.domain.references import parse_reference
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
    matching: Select[Any] = select(row).where(*visible(row), *conditions(row, query.filter))
    total = session.scalar(matching.with_only_columns(count(row.id)).order_by(None)) or 0
    column = getattr(row, query.sort.removeprefix("-"))
    order = [column.desc(), row.id.desc()] if query.sort.startswith("-") else [column, row.id]
    start = (query.page - 1) * query.page_size
    found = session.scalars(matching.order_by(*order).offset(start).limit(query.page_size))
    return list(found), total


def visible(row: type[Entity]) -> list[ColumnElement[bool]]:
    """The condition that the caller may see a row."""
    namespaces = caller().namespaces
    return [] if namespaces is None else [col(row.namespace).in_(sorted(namespaces))]


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
        elif field == "custom_fields":
            found += [_entry(column, pair) for pair in wanted]
        elif field in {"target", "config"}:
            found += _part(column, wanted, f"filter.{field}")
        elif column is None:
            found.append(row.spec[field].as_string() == wanted)
        else:
            found.append(column == wanted)
    return found


def _entry(column: Any, pair: str) -> ColumnElement[bool]:
    """The condition `key=value` on an object; a value of any type is compared by its text."""
    key, _, value = pair.partition("=")
    return cast(ColumnElement[bool], column[key].as_string() == value)


def _part(column: Any, wanted: str | Mapping[str, Any], field: str) -> list[ColumnElement[bool]]:
    """Conditions on the target or config that a job carries: its name, or a filter of its own."""
    if isinstance(wanted, str):
        reference = parse_reference(wanted, field)
        named = or_(*(column[key].as_string() == reference.name for key in ("name", "id")))
        return [column["namespace"].as_string() == reference.namespace, named]
    found: list[ColumnElement[bool]] = []
    for key, value in wanted.items():
        if key == "custom_fields":
            found += [_entry(column[key], pair) for pair in value]
        elif isinstance(value, Mapping):
            raise Unimplemented(f"{field}.{key} is not there yet")
        else:
            found.append(column[key].as_string() == value)
    return found


def parse_time(text: str, field: str) -> datetime:
    """Reads an ISO 8601 time or date; without a zone it is UTC. Raises InvalidArgument."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument.of(field, f"{text!r} is not an ISO 8601 time") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
