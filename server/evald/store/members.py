"""Members of JSON columns in SQL, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from evald.store.clock import UtcDateTime

LISTED_ROWS = 20
LISTED_BYTES = 2**16
"""Rows of a target that lists show, and bytes of them: as many of the first ones as have no more,
which may be none."""


class member(FunctionElement[str]):
    """`member(column, *parents, key)`: a member of an object as text. The object is the column's,
    or, if there are parents, that member of that member of it; the names may be any text."""

    type = Text()
    inherit_cache = True

    def __init__(self, column: Any, *path: str) -> None:
        super().__init__(column, *path)


@compiles(member, "postgresql")
def _member_postgresql(element: member, compiler: Any, **kw: Any) -> str:
    column, *path = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({' -> '.join([column, *path[:-1]])} ->> {path[-1]})"


@compiles(member, "sqlite")
def _member_sqlite(element: member, compiler: Any, **kw: Any) -> str:
    # A path of SQLite's cannot spell every key, and its extracted `true` would be a 1.
    column, *path = (compiler.process(clause, **kw) for clause in element.clauses)
    key = path.pop()
    of = column
    for part in path:
        inner = "case type when 'object' then value end"
        of = f"(select {inner} from json_each({of}) where key = {part})"
    # Nor does it keep the text of a real number.
    value = (
        "case type when 'true' then type when 'false' then type"
        " when 'real' then real_text(value) else value end"
    )
    return f"(select cast({value} as text) from json_each({of}) where key = {key})"


class headed(FunctionElement[Any]):
    """A target in a column as lists show it: with its first rows alone, and their number beside
    them in `row_count`, when it has more of them. What is cut never leaves the database."""

    type = JSON()
    inherit_cache = True


# Both look at rows only where there may be something to cut: a target that is no longer than its
# rows may be has none that are too long.


@compiles(headed, "postgresql")
def _headed_postgresql(element: headed, compiler: Any, **kw: Any) -> str:
    target = compiler.process(element.clauses, **kw)
    rows = f"{target} -> 'rows'"
    count = f"json_array_length({rows})"
    return (
        f"case when {count} > {LISTED_ROWS} or octet_length({target}::text) > {LISTED_BYTES} then"
        f" (select case when head.number < {count} then ("
        "select json_object_agg(key, value) from ("
        f"select key, value from json_each({target}) where key <> 'rows'"
        " union all select 'rows', head.rows"
        f" union all select 'row_count', to_json({count})"
        f") member) else {target} end"
        " from (select count(*) as number, coalesce(json_agg(value order by place), '[]') as rows"
        " from (select value, place, sum(octet_length(value::text)) over (order by place) as size"
        f" from (select value, place from json_array_elements({rows})"
        f" with ordinality as row(value, place) limit {LISTED_ROWS}) first) measured"
        f" where size <= {LISTED_BYTES}) head"
        f") else {target} end"
    )


@compiles(headed, "sqlite")
def _headed_sqlite(element: headed, compiler: Any, **kw: Any) -> str:
    target = compiler.process(element.clauses, **kw)
    count = f"json_array_length({target}, '$.rows')"
    return (
        f"case when {count} > {LISTED_ROWS} or length(cast({target} as blob)) > {LISTED_BYTES} then"
        f" (select case when head.number < {count} then"
        f" json_set({target}, '$.rows', json(head.rows), '$.row_count', {count})"
        f" else {target} end"
        " from (select count(*) as number, json_group_array(json(value)) as rows"
        " from (select value, sum(length(cast(value as blob))) over (order by place) as size"
        f" from (select value, key as place from json_each({target}, '$.rows')"
        f" limit {LISTED_ROWS}) order by place)"
        f" where size <= {LISTED_BYTES}) head"
        f") else {target} end"
    )


class folded(FunctionElement[str]):
    """A text without upper case."""

    type = Text()
    inherit_cache = True


@compiles(folded)
def _folded(element: folded, compiler: Any, **kw: Any) -> str:
    return f"lower({compiler.process(element.clauses, **kw)})"


@compiles(folded, "sqlite")
def _folded_sqlite(element: folded, compiler: Any, **kw: Any) -> str:
    return f"unicode_lower({compiler.process(element.clauses, **kw)})"


class unindexed(FunctionElement[Any]):
    """A column, in a condition or an order for which no index is looked up."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed, "postgresql")
def _unindexed_postgresql(element: unindexed, compiler: Any, **kw: Any) -> str:
    column = compiler.process(element.clauses, **kw)
    nothing = "+ interval '0'" if isinstance(element.type, UtcDateTime) else "|| ''"
    return f"({column} {nothing})"


@compiles(unindexed, "sqlite")
def _unindexed_sqlite(element: unindexed, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"
