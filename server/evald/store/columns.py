"""Columns and indexes that several tables have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field

from evald.store.clock import UtcDateTime

SORTS = ("created_at", "updated_at")

NAMED = (
    ("namespace", "project"),
    ("namespace", "type"),
    ("namespace",),
    ("project",),
    ("type",),
)

FILTERS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "target": NAMED,
    "config": NAMED,
    "job": (
        ("namespace", "project"),
        ("namespace", "status"),
        ("namespace",),
        ("project",),
        ("status",),
        ("target_ref",),
        ("config_ref",),
    ),
    "result": (("namespace",),),
}
"""By table: columns that a page with one value in each of them is found by. More come first."""


def now() -> datetime:
    return datetime.now(UTC)


def json_column(*, nullable: bool = True) -> Any:
    return Field(
        default=None, sa_column_kwargs={"nullable": nullable}, sa_type=JSON(none_as_null=True)
    )


def time_column() -> Any:
    return Field(default_factory=now, sa_type=UtcDateTime, nullable=False)


def list_indexes(table: str, *sorts: str) -> list[Index]:
    """Indexes for pages of a table in each order that its lists have: of all rows, and of those
    that have one value in each of some columns. Ties are in order of ids."""
    return [
        Index("_".join((table, *columns, "by", sort)), *columns, sort, "id")
        for columns, sort in product(((), *FILTERS[table]), sorts)
    ]
