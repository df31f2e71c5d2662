"""An index of jobs by whose turn it is among those of their kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = ("status", "namespace", "gpus", "gpu_memory")
    turn = (sa.text("priority desc"), "created_at", "id", "not_before")
    op.create_index("job_turn", "job", [*kind, *turn])
