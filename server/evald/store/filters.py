"""Turns the filter of a list request into SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_
from sqlmodel import col

from evald.domain import ids
from evald.domain.access import caller
from evald.domain.documents import write_time
from evald.domain.references import parse_reference
from evald.store import facts
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


Wrap = Callable[[Any], Any]
"""Says of a column in a condition whether an index may be looked up by it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a filter asks of a row: `equal` values of its columns, `facts`, conditions on columns
    that an index may serve (`either`), when it was `created`, and the rest."""

    equal: dict[str, Any] = field(default_factory=dict)
    facts: list[bytes] = field(default_factory=list)
    either: list[Callable[[Wrap], Condition]] = field(default_factory=list)
    created: Any = None
    others: list[Condition] = field(default_factory=list)

    def created_in(self, column: Any) -> list[Condition]:
        """The condition on when it was created, on a column that says so. Raises
        InvalidArgument."""
        if self.created is None:
            return []
        return within(column, self.created, "filter.created_at")


def visible(row: type[Entity]) -> list[Condition]:
    """The condition that the caller may see a row."""
    namespaces = caller().namespaces
    return [] if namespaces is None else [col(row.namespace).in_(sorted(namespaces))]


def read(row: type[Entity], filter: Mapping[str, Any]) -> Wanted:
    """A filter in plain form, and what the caller may see. Raises InvalidArgument."""
    wanted = Wanted(created=filter.get("created_at"))
    for name, value in filter.items():
        if name == "custom_fields":
            wanted.facts.extend(facts.custom_field(pair) for pair in value)
        elif name in PARTS and isinstance(value, str):
            _refer(wanted, row, name, value)
        elif name in PARTS:
            _part(wanted, row, name, value)
        elif name == "model":
            wanted.facts.append(facts.fact(name, value))
        elif name != "created_at":
            wanted.equal[name] = value
    _see(wanted, row)
    return wanted


def _see(wanted: Wanted, row: type[Entity]) -> None:
    """Adds what the caller may see, as a value of a column where that is one."""
    namespaces = caller().namespaces
    if namespaces is None:
        return
    if "namespace" in wanted.equal:
        if wanted.equal["namespace"] not in namespaces:
            wanted.others.append(false())
    elif len(namespaces) == 1:
        (wanted.equal["namespace"],) = namespaces
    else:
        wanted.either.append(lambda wrap: wrap(row.namespace).in_(sorted(namespaces)))


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


def _refer(wanted: Wanted, row: Any, part: str, text: str) -> None:
    """Asks for the jobs of the target or config `namespace/name`, or `namespace/id`."""
    reference = parse_reference(text, f"filter.{part}")
    ref, id = getattr(row, f"{part}_ref"), getattr(row, f"{part}_id")
    if not reference.name.startswith(f"{PARTS[part]}-"):
        wanted.equal[f"{part}_ref"] = str(reference)
        return
    prefix = f"{reference.namespace}/"
    there = func.substr(ref, 1, len(prefix)) == prefix  # SQLite's LIKE knows no case
    wanted.either.append(
        lambda wrap: or_(wrap(ref) == str(reference), and_(wrap(id) == reference.name, there))
    )


def _part(wanted: Wanted, row: Any, part: str, filter: Mapping[str, Any]) -> None:
    """Asks for the jobs whose target or config is such. Raises InvalidArgument."""
    for name, value in filter.items():
        if name == "custom_fields":
            wanted.facts.extend(facts.custom_field(pair, part) for pair in value)
        elif name == "created_at":
            created = getattr(row, part)[name].as_string()
            wanted.others.extend(within(created, value, f"filter.{part}.{name}", write_time))
        else:
            wanted.facts.append(facts.fact(part, name, value))
