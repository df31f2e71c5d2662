"""Members of JSON columns in SQL, alike on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

LISTED_ROWS = 20
"""Rows of a target that lists show."""


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
    value = "case type when 'true' then type when 'false' then type else value end"
    return f"(select cast({value} as text) from json_each({of}) where key = {key})"


class headed(FunctionElement[Any]):
    """A target in a column as lists show it: with its first rows alone, and their number beside
    them in `row_count`, when it has more of them. What is cut never leaves the database."""

    type = JSON()
    inherit_cache = True


@compiles(headed, "postgresql")
def _headed_postgresql(element: headed, compiler: Any, **kw: Any) -> str:
    target = compiler.process(element.clauses, **kw)
    rows = f"{target} -> 'rows'"
    return (
        f"case when json_array_length({rows}) > {LISTED_ROWS} then ("
        "select json_object_agg(key, value) from ("
        f"select key, value from json_each({target}) where key <> 'rows'"
        " union all select 'rows', json_agg(head.value) from"
        f" (select value from json_array_elements({rows}) limit {LISTED_ROWS}) head"
        f" union all select 'row_count', to_json(json_array_length({rows}))"
        f") member) else {target} end"
    )


@compiles(headed, "sqlite")
def _headed_sqlite(element: headed, compiler: Any, **kw: Any) -> str:
    target = compiler.process(element.clauses, **kw)
    count = f"json_array_length({target}, '$.rows')"
    first = ", ".join(f"'$.rows[{i}]'" for i in range(LISTED_ROWS))
    return (
        f"case when {count} > {LISTED_ROWS} then json_set({target},"
        f" '$.rows', json(json_extract({target}, {first})), '$.row_count', {count})"
        f" else {target} end"
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
