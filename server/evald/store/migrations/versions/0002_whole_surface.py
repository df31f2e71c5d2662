"""Revisions of jobs, keys of creates, tokens, and indexes for lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FILTERS = {
    "job": ("namespace", "project", "target_ref", "config_ref"),
    "target": ("namespace", "project", "type"),
    "config": ("namespace", "project", "type"),
    "result": ("namespace",),
}


def upgrade() -> None:
    for table, filters in FILTERS.items():
        if table == "job":
            _extend_job()
        else:
            op.add_column(table, sa.Column("request_key", sa.String(), nullable=True))
            op.add_column(table, sa.Column("request_digest", sa.String(), nullable=True))
            op.create_index(f"{table}_request", table, ["request_key"], unique=True)
        op.create_index(f"{table}_updated_at", table, ["updated_at", "id"])
        for column in filters:
            op.create_index(f"{table}_{column}", table, [column, "created_at", "id"])
    for table in ("target", "config"):
        op.create_index(f"{table}_name", table, ["name", "id"])
    op.create_table(
        "token",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("namespaces", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )


def _extend_job() -> None:
    op.drop_index("job_target", "job")
    op.drop_index("job_config", "job")
    op.create_index("job_target_id", "job", ["target_id"])
    op.create_index("job_config_id", "job", ["config_id"])
    op.execute("alter table job rename column request_id to request_key")
    op.add_column("job", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    for part in ("target", "config"):
        op.add_column(
            "job", sa.Column(f"{part}_ref", sa.String(), nullable=False, server_default="")
        )
    job = sa.table(
        "job",
        *(sa.column(c, sa.String()) for c in ("id", "namespace", "request_key")),
        *(sa.column(c, sa.String()) for c in ("target_ref", "config_ref")),
        *(sa.column(c, sa.JSON()) for c in ("target", "config")),
        sa.column("revision", sa.Integer()),
    )
    event = sa.table("job_event", sa.column("job_id"), sa.column("revision", sa.Integer()))
    last = sa.select(sa.func.max(event.c.revision)).where(event.c.job_id == job.c.id)
    op.execute(
        job.update().values(
            revision=sa.func.coalesce(last.scalar_subquery(), 0),
            request_key=job.c.namespace + "/" + job.c.request_key,
            **{
                f"{part}_ref": sa.func.coalesce(
                    job.c[part]["namespace"].as_string() + "/" + job.c[part]["name"].as_string(),
                    "",
                )
                for part in ("target", "config")
            },
        )
    )
