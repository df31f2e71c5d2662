"""Indexes for each filter in each order, and facts that entities are found by."""

from __future__ import annotations

from itertools import product

import sqlalchemy as sa
from alembic import op

from evald.store import facts
from evald.store.engine import UtcDateTime

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
BATCH = 100


def upgrade() -> None:
    for table, filters in FILTERS.items():
        for name in BEFORE[table]:
            op.drop_index(f"{table}_{name}", table)
        sorts = ("created_at", "updated_at", *(("name",) if filters is NAMED else ()))
        for columns, sort in product(((), *(f.split() for f in filters)), sorts):
            op.create_index("_".join((table, *columns, "by", sort)), table, [*columns, sort, "id"])
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
    connection, last = op.get_bind(), ""
    while True:
        batch = sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(BATCH)
        rows = connection.execute(batch).all()
        found = [
            {"fact": fact, "created_at": moment, "id": id}
            for id, moment, *documents in rows
            for fact in of(*documents)
        ]
        if found:
            connection.execute(sa.insert(into), found)
        if len(rows) < BATCH:
            return
        last = rows[-1].id
