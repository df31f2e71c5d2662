"""Turns the search of a list request into SQL: texts to find, whatever their case."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import JSON, ColumnElement, Text, false, or_
from sqlalchemy import cast as as_type

from evald.domain.listing import MEMBERS
from evald.errors import InvalidArgument
from evald.store.filters import within
from evald.store.members import folded, member
from evald.store.tables import Entity

Condition = ColumnElement[bool]

MAX_DEPTH = 6
"""How many names such a search may have. SQLite nests a query for each, and its parser overflows
at eight of them in the largest statement, which counts the rows of a list."""

NAME = re.compile(r"((?:[^\\.=]|\\.)*)(.?)", re.DOTALL)
"""A name in a path, as `split_member` reads it, and the mark behind it."""

ELSEWHERE: Mapping[str, Sequence[str]] = {
    "job": ("job_id",),
    "result": ("result_id",),
    "target": ("target_ref", "target"),
    "config": ("config_ref", "config"),
    "status_details": ("message", "task_status"),
}
"""Columns of what is not kept under its own name, or not only there."""

STATUS_DETAILS = frozenset({"message", "task_status", "progress", "samples_processed"})
"""Members of the status details of a job, each in a column."""


def conditions(row: type[Entity], search: Mapping[str, Any]) -> list[Condition]:
    """One of several texts is found in each field that is searched. Raises InvalidArgument."""
    found: list[Condition] = []
    for field, wanted in search.items():
        if field in {"created_at", "updated_at"}:
            found += within(getattr(row, field), wanted, f"search.{field}")
        elif field == "custom_fields":
            pairs = (pair.partition("=") for pair in wanted)
            found += [_found([member(row.custom_fields, key)], [text]) for key, _, text in pairs]
        elif field.endswith(MEMBERS):
            found += _inside(row, field.removesuffix(MEMBERS), wanted)
        else:
            found.append(_found(_texts(row, field), wanted))
    return found


def split_member(entry: str) -> tuple[tuple[str, ...], str]:
    """The names and the text of `a.b=text`, where a name's own `.`, `=` and `\\` have a `\\` before
    them."""
    names, mark, pos = [], ".", 0
    while mark == ".":
        found = NAME.match(entry, pos)
        assert found is not None  # it matches nothing too
        names.append(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL))
        mark, pos = found[2], found.end()
    return tuple(names), entry[pos:]


def _inside(row: Any, field: str, wanted: Sequence[str]) -> list[Condition]:
    """One of the texts for a path is found there, and that for each path."""
    texts: dict[tuple[str, ...], list[str]] = {}
    for entry in wanted:
        path, text = split_member(entry)
        if len(path) > MAX_DEPTH:
            raise InvalidArgument.of(f"search.{field}", f"it looks deeper than {MAX_DEPTH} names")
        texts.setdefault(path, []).append(text)
    return [_found(_at(row, field, path), each) for path, each in texts.items()]


def _at(row: Any, field: str, path: tuple[str, ...]) -> list[Any]:
    """What is at a path inside a field; nothing where there can be nothing."""
    if field == "status_details":
        field, *rest = path
        column = getattr(row, field) if field in STATUS_DETAILS else None
        if rest:
            return [member(column, *rest)] if field == "task_status" else []
        return [] if column is None else [as_type(column, Text)]
    if hasattr(row, field):
        return [member(getattr(row, field), *path)]
    return [member(row.spec, field, *path)]


def _texts(row: Any, field: str) -> list[Any]:
    """What is searched in a field: texts, and the JSON of what is none."""
    columns = [getattr(row, name) for name in ELSEWHERE.get(field, (field,)) if hasattr(row, name)]
    if not columns:
        return [row.spec[field].as_string()]
    return [as_type(c, Text) if isinstance(c.type, JSON) else c for c in columns]


def _found(columns: Sequence[Any], texts: Sequence[str]) -> Condition:
    """One of the texts is in one of the columns. JSON holds a text with escapes, and what earlier
    versions wrote has more of them."""
    forms = {
        form
        for text in texts
        for form in (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    }
    return or_(false(), *(_has(column, form) for column in columns for form in sorted(forms)))


def _has(column: Any, text: str) -> ColumnElement[bool]:
    if text.isascii():
        return cast(Condition, column.icontains(text, autoescape=True))
    literal = re.sub("[/%_]", r"/\g<0>", text)
    return cast(Condition, folded(column).like(folded(f"%{literal}%"), escape="/"))
