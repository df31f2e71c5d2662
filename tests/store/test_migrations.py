"""A database of an older schema keeps what it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from alembic import command
from sqlalchemy import text

from evald.domain.listing import ListQuery
from evald.settings import Settings
from evald.store.engine import Database
from evald.store.migrate import config
from evald.store.store import Store

INSERT = """
insert into job (id, namespace, created_at, updated_at, target, config, target_id, config_id,
                 status, request_id, request_digest, gpus, attempt, failures, not_before)
values ('eval-a', 'ns', :now, :now, :target, :config, 'eval-target-t', 'eval-config-c',
        'completed', 'key', 'digest', 0, 1, 0, 0)
"""

EVENT = """
insert into job_event (job_id, revision, at, status, attempt) values ('eval-a', :n, :now, :s, 0)
"""


def test_jobs_of_the_first_schema_stay(settings: Settings) -> None:
    database = Database(settings.database)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    with database.engine.execution_options(write=True).begin() as connection:
        command.upgrade(config(connection), "0001")
        target = json.dumps({"id": "eval-target-t", "namespace": "ns", "name": "small"})
        given = json.dumps({"id": "eval-config-c", "namespace": "default", "name": "c"})
        connection.execute(text(INSERT), {"now": now, "target": target, "config": given})
        for n, status in enumerate(("created", "running", "completed"), 1):
            connection.execute(text(EVENT), {"n": n, "now": now, "s": status})
    database.close()

    store = Store(settings)
    try:
        job = store.jobs.get("eval-a")
        assert [s["status"] for s in job["state_history"]] == ["created", "running", "completed"]
        for part in ("ns/small", "ns/eval-target-t"):
            found = store.jobs.page(ListQuery(filter={"target": part, "config": "default/c"}))
            assert [entry["id"] for entry in found.entries] == ["eval-a"]
        with store.database.read() as session:
            columns = "revision, request_key, request_digest, priority"
            row = session.execute(text(f"select {columns} from job")).one()
        assert tuple(row) == (3, "ns/key", "digest", 0)
    finally:
        store.close()
