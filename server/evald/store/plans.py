"""How a list is read: by which index, so that a page costs about the same among however many rows.

The databases would choose an index themselves, but SQLite knows nothing of how often a value
occurs, and PostgreSQL takes conditions for independent of each other. So what is rare is looked for
here, by counting a little, and then made the way in. Of conditions that each hold for many rows, a
page is full soon when they hold together too; only when they do not, the rows of one are all looked
through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Select, String, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session, col

from evald.domain.listing import ListQuery
from evald.store import facts, filters, search
from evald.store.columns import FILTERS, SORTS
from evald.store.filters import Condition, Wanted, Wrap
from evald.store.members import unindexed
from evald.store.tables import Entity, NamedEntity

FEW = 1000
"""Rows that are looked through one by one."""

COUNT_BOUND = 10_000
"""Rows that one index counts for each page."""


class Plan(NamedTuple):
    """The ids of the rows of a list, the columns that they are in order of, the same ids as they
    are counted, and how many are counted for each page."""

    matching: Select[Any]
    order: list[Any]
    counted: Select[Any]
    bound: int


class Source(NamedTuple):
    """Rows that an index finds: their ids. `orders` has those in which it has them."""

    ids: Select[Any]
    orders: Sequence[str]


def plan(session: Session, row: type[Entity], query: ListQuery) -> Plan:
    """Raises InvalidArgument."""
    wanted = filters.read(row, query.filter)
    others = [*wanted.others, *search.conditions(row, query.search)]
    sort = query.sort.removeprefix("-")
    sources = _sources(row, wanted)
    # One index counts alone. Otherwise each row that is counted has to be looked at.
    bound = COUNT_BOUND if len(sources) <= 1 and not others else FEW
    if len(sources) > 1 or any(sort not in source.orders for source in sources):
        rare = _rarest(session, sources)
        if rare is not None:
            among = _among(session, row, rare)
            ids, order = _of_rows(row, wanted, [among, *others], sort, unindexed)
            return Plan(ids, order, ids, bound)
    ids, order = _of_rows(row, wanted, others, sort, _plain)
    if not wanted.facts or wanted.equal or wanted.either:
        return Plan(ids, order, ids, bound)
    having, when = _of_facts(row, wanted, others)
    if sort == "created_at":
        ids, order = having, when
    return Plan(ids, order, having, bound)


def _sources(row: type[Entity], wanted: Wanted) -> list[Source]:
    """The ways in: by indexes of columns, as many of them together as one has, and by facts."""
    found = []
    covered: set[str] = set()
    orders = (*SORTS, "name") if issubclass(row, NamedEntity) else SORTS
    known = FILTERS[str(row.__tablename__)]
    for columns in (*known, *((name,) for name in wanted.equal)):
        if covered.issuperset(columns) or not wanted.equal.keys() >= set(columns):
            continue
        covered.update(columns)
        same = [getattr(row, name) == wanted.equal[name] for name in columns]
        found.append((same, orders if columns in known else ()))
    found += [([either(_plain)], ()) for either in wanted.either]
    created = wanted.created_in(row.created_at)
    if created and not found and not wanted.facts:
        found.append(([], ("created_at",)))
    sources = [Source(select(row.id).where(*where, *created), orders) for where, orders in found]
    for fact in wanted.facts:
        table = facts.TABLES[row]
        here = wanted.created_in(table.c.created_at)
        ids = select(table.c.id).where(table.c.fact == fact, *here)
        sources.append(Source(ids, ("created_at",)))
    return sources


def _rarest(session: Session, sources: Sequence[Source]) -> Source | None:
    """The source with the fewest rows, unless each has more than a few."""
    counts = []
    for source in sources:
        some = select(func.count()).select_from(source.ids.limit(FEW).subquery())
        counts.append(session.scalar(some) or 0)
    least = min(counts)
    return None if least == FEW else sources[counts.index(least)]


def _among(session: Session, row: type[Entity], source: Source) -> Condition:
    """The condition that a row is one of the few of a source.

    PostgreSQL is given a list: it would hold the rows that meet all conditions for so rare that it
    looked through a subquery once for each of them.
    """
    few = source.ids.limit(FEW)
    if session.get_bind().dialect.name != "postgresql":
        return col(row.id).in_(few)
    ids = literal(list(session.scalars(few)), ARRAY(String))
    return cast(Condition, row.id == func.any(ids))


def _of_rows(
    row: type[Entity], wanted: Wanted, others: Sequence[Condition], sort: str, wrap: Wrap
) -> tuple[Select[Any], list[Any]]:
    """A walk along an index of the rows, or, if all columns are wrapped, of what is in `others`."""
    matching = select(row.id).where(
        *(wrap(getattr(row, name)) == value for name, value in wanted.equal.items()),
        *(either(unindexed) for either in wanted.either),
        *wanted.created_in(wrap(row.created_at)),
        *(_has(row, fact, row.created_at, row.id) for fact in wanted.facts),
        *others,
    )
    return matching, [wrap(getattr(row, sort)), row.id]


def _of_facts(
    row: type[Entity], wanted: Wanted, others: Sequence[Condition]
) -> tuple[Select[Any], list[Any]]:
    """A walk along those who have a fact, in order of their creation."""
    first, *more = wanted.facts
    table = facts.TABLES[row]
    created, id = table.c.created_at, table.c.id
    matching = select(id).where(
        table.c.fact == first,
        *wanted.created_in(created),
        *(_has(row, fact, created, id) for fact in more),
    )
    if others:
        matching = matching.join(row, row.id == id).where(*others)
    return matching, [created, id]


def _has(row: type[Entity], fact: bytes, created: Any, id: Any) -> Condition:
    """The condition that a row has a fact, which is looked up by its place among those who do."""
    table = facts.TABLES[row].alias()
    there = (table.c.fact == fact, table.c.created_at == created, table.c.id == id)
    # With an offset PostgreSQL looks it up for each row, instead of joining all who have the fact.
    return select(literal(1)).where(*there).offset(0).exists()


def _plain(column: Any) -> Any:
    return column
