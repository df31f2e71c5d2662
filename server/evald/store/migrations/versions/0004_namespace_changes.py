"""Indexes for what was changed last in a namespace."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("job", "target", "config", "result"):
        op.create_index(f"{table}_changed", table, ["namespace", "updated_at", "id"])
