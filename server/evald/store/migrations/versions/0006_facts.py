"""Indexes for each filter in each order, and facts that entities are found by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import sqlalchemy as sa
from alembic import op

from evald.errors import Unavailable
from evald.store import facts
from evald.store.clock import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEFORE = {
    "job": (
        *("created_at", "updated_at", "changed", "namespace", "project"),
        *("target_ref", "config_ref", "queue"),
    ),
    "target": ("created_at", "updated_at", "changed", "namespace", "project", "type", "name"),
    "config": ("created_at", "updated_at", "changed", "namespace", "project", "type", "name"),
    "result": ("created_at", "updated_at", "changed", "namespace"),
}
"""Indexes that others take the place of, without the name of their table."""

NAMED = ("namespace project", "namespace type", "namespace", "project", "type")
FILTERS = {
    "job": (
        *("namespace project", "namespace status", "namespace", "project", "status"),
        *("target_ref", "config_ref"),
    ),
    "target": NAMED,
    "config": NAMED,
    "result": ("namespace",),
}
FACTS = 1000
"""How many facts are written at once."""

MOST_BYTES = 2600
"""An entry of an index of PostgreSQL that has no more bytes of text than that always fits."""

NAMED_ROWS = 10
"""How many rows an error names."""


def upgrade() -> None:
    for table, filters in FILTERS.items():
        for name in BEFORE[table]:
            op.drop_index(f"{table}_{name}", table)
        sorts = ("created_at", "updated_at", *(("name",) if filters is NAMED else ()))
        for columns, sort in product(((), *(f.split() for f in filters)), sorts):
            _index("_".join((table, *columns, "by", sort)), table, [*columns, sort, "id"])
    for owner in ("job", "target", "config"):
        op.create_table(
            f"{owner}_fact",
            sa.Column("fact", sa.LargeBinary(), nullable=False),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("id", sa.String(), nullable=False),
            sa.ForeignKeyConstraint(["id"], [f"{owner}.id"], ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("fact", "created_at", "id"),
            sqlite_with_rowid=False,
        )
        op.create_index(f"{owner}_fact_id", f"{owner}_fact", ["id"])
        _fill(owner)


def _index(name: str, table: str, columns: Sequence[str]) -> None:
    """Raises Unavailable when rows have texts that are too long for it."""
    try:
        with op.get_bind().begin_nested():
            op.create_index(name, table, columns)
    except sa.exc.DBAPIError as e:
        texts = [c for c in columns if not c.endswith("_at")]
        if getattr(e.orig, "sqlstate", None) != "54000" or not (rows := _long_rows(table, texts)):
            raise
        raise Unavailable(
            f"this version of evald indexes the {', '.join(texts)} of each {table}, and PostgreSQL "
            f"takes at most {MOST_BYTES} bytes in all; with your earlier version of evald, shorten "
            f"or delete those that have more: {rows}"
        ) from e


def _long_rows(table: str, texts: Sequence[str]) -> str:
    """The rows whose texts may be too long for an index of PostgreSQL, the longest first."""
    size = sum(
        (sa.func.octet_length(sa.func.coalesce(sa.column(c), "")) for c in texts), sa.literal(0)
    )
    found = (
        sa.select(sa.column("id"), size.label("size"))
        .select_from(sa.table(table))
        .where(size > MOST_BYTES)
        .order_by(sa.desc("size"), sa.column("id"))
    )
    rows = op.get_bind().execute(found.limit(NAMED_ROWS + 1)).all()
    named = [f"{id} ({size} bytes)" for id, size in rows[:NAMED_ROWS]]
    return ", ".join([*named, *(["..."] if len(rows) > NAMED_ROWS else [])])


def _fill(owner: str) -> None:
    """Writes the facts of what there is."""
    parts = ("target", "config") if owner == "job" else ("spec",)
    table = sa.table(
        owner,
        sa.column("id", sa.String()),
        sa.column("created_at", UtcDateTime()),
        *(sa.column(c, sa.JSON()) for c in (*parts, "custom_fields")),
    )
    into = sa.table(
        f"{owner}_fact",
        sa.column("fact", sa.LargeBinary()),
        sa.column("created_at", UtcDateTime()),
        sa.column("id", sa.String()),
    )
    of = facts.of_job if owner == "job" else facts.of_entity
    connection = op.get_bind()
    found = []
    # one at a time, since a row may be as large as a request
    for id, moment, *documents in connection.execute(
        sa.select(table), execution_options={"yield_per": 1}
    ):
        found += [{"fact": f, "created_at": moment, "id": id} for f in of(*documents)]
        if len(found) >= FACTS:
            connection.execute(sa.insert(into), found)
            found = []
    if found:
        connection.execute(sa.insert(into), found)
