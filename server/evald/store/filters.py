"""Turns the filter of a list request into SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, not_, or_
from sqlmodel import col

from evald.domain import ids
from evald.domain.access import caller
from evald.domain.documents import write_time
from evald.domain.references import parse_reference
from evald.store.members import member
from evald.store.tables import Entity
from evald.store.times import Span, parse_time

Condition = ColumnElement[bool]

COMPARISONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "eq": lambda column, first, last: and_(column >= first, column <= last),
    "neq": lambda column, first, last: not_(and_(column >= first, column <= last)),
    "gt": lambda column, first, last: column > first,
    "gte": lambda column, first, last: column >= first,
    "lt": lambda column, first, last: column < first,
    "lte": lambda column, first, last: column <= last,
    "start": lambda column, first, last: column >= first,
    "end": lambda column, first, last: column <= last,
}
"""A date is a whole day to what includes it, and its midnight to what does not."""

PARTS = {"target": ids.TARGET, "config": ids.CONFIG}
"""What a job is filtered by, with the prefix of its ids."""


def visible(row: type[Entity]) -> list[Condition]:
    """The condition that the caller may see a row."""
    namespaces = caller().namespaces
    return [] if namespaces is None else [col(row.namespace).in_(sorted(namespaces))]


def conditions(row: type[Entity], filter: Mapping[str, Any]) -> list[Condition]:
    """The conditions of a filter in plain form on the columns of a row. Raises InvalidArgument."""
    found: list[Condition] = []
    for field, wanted in filter.items():
        if field == "created_at":
            found += within(row.created_at, wanted, f"filter.{field}")
        elif field == "custom_fields":
            found += [_entry(pair, row.custom_fields) for pair in wanted]
        elif field in PARTS and isinstance(wanted, str):
            found.append(_referred(row, field, wanted))
        elif field in PARTS:
            found += _part(getattr(row, field), wanted, f"filter.{field}")
        elif field == "model":
            found.append(_model(row.spec[field], wanted))
        else:
            found.append(getattr(row, field) == wanted)
    return found


def within(
    column: Any,
    wanted: str | Mapping[str, str],
    path: str,
    write: Callable[[datetime], Any] = lambda moment: moment,
) -> list[Condition]:
    """The conditions of a DateTimeFilter, a DateRange or one time, on a column that holds what
    `write` makes of times. Raises InvalidArgument."""
    bounds = wanted if isinstance(wanted, Mapping) else {"": wanted}
    found = []
    for comparison, text in bounds.items():
        span: Span = parse_time(text, f"{path}.{comparison}".rstrip("."))
        compare = COMPARISONS[comparison or "eq"]
        found.append(compare(column, write(span.first), write(span.last)))
    return found


def _entry(pair: str, column: Any, *parent: str) -> Condition:
    """The condition `key=value` on an object; a value of any type is compared by its text."""
    key, _, value = pair.partition("=")
    return member(column, *parent, key) == value


def _model(column: Any, wanted: str) -> Condition:
    """A model is called by its reference, or by the name of an inline one at its endpoint."""
    places = ((), ("name",), ("api_endpoint", "model_id"))
    return or_(*((column[place] if place else column).as_string() == wanted for place in places))


def _referred(row: Any, field: str, wanted: str) -> Condition:
    """The condition that a job is of the target or config `namespace/name`, or `namespace/id`."""
    reference = parse_reference(wanted, f"filter.{field}")
    named = cast(Condition, getattr(row, f"{field}_ref") == str(reference))
    if not reference.name.startswith(f"{PARTS[field]}-"):
        return named
    of_id = getattr(row, f"{field}_id") == reference.name
    there = getattr(row, f"{field}_ref").startswith(f"{reference.namespace}/", autoescape=True)
    return or_(named, and_(of_id, there))


def _part(column: Any, wanted: Mapping[str, Any], path: str) -> list[Condition]:
    """Conditions on the target or config that a job carries. Raises InvalidArgument."""
    found: list[Condition] = []
    for key, value in wanted.items():
        if key == "custom_fields":
            found += [_entry(pair, column, key) for pair in value]
        elif key == "created_at":
            found += within(column[key].as_string(), value, f"{path}.{key}", write_time)
        elif key == "model":
            found.append(_model(column[key], value))
        else:
            found.append(column[key].as_string() == value)
    return found
