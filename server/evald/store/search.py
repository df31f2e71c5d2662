"""Turns the search of a list request into SQL: texts to find, whatever their case."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import JSON, ColumnElement, Text, or_
from sqlalchemy import cast as as_type

from evald.store.filters import within
from evald.store.members import folded, member
from evald.store.tables import Entity

Condition = ColumnElement[bool]

ELSEWHERE: Mapping[str, Sequence[str]] = {
    "job": ("job_id",),
    "result": ("result_id",),
    "target": ("target_ref", "target"),
    "config": ("config_ref", "config"),
    "status_details": ("message", "task_status"),
}
"""Columns of what is not kept under its own name, or not only there."""


def conditions(row: type[Entity], search: Mapping[str, Any]) -> list[Condition]:
    """One of several texts is found in each field that is searched. Raises InvalidArgument."""
    found: list[Condition] = []
    for field, wanted in search.items():
        if field in {"created_at", "updated_at"}:
            found += within(getattr(row, field), wanted, f"search.{field}")
        elif field == "custom_fields":
            pairs = (pair.partition("=") for pair in wanted)
            found += [_found([member(row.custom_fields, key)], [text]) for key, _, text in pairs]
        else:
            found.append(_found(_texts(row, field), wanted))
    return found


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
    return or_(*(_has(column, form) for column in columns for form in sorted(forms)))


def _has(column: Any, text: str) -> ColumnElement[bool]:
    if text.isascii():
        return cast(Condition, column.icontains(text, autoescape=True))
    literal = re.sub("[/%_]", r"/\g<0>", text)
    return cast(Condition, folded(column).like(folded(f"%{literal}%"), escape="/"))
