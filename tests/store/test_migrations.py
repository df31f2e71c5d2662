"""A database of an older schema keeps what it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from alembic import command
from sqlalchemy import TextClause, bindparam, text

from evald.domain.listing import ListQuery
from evald.settings import Settings
from evald.store.engine import Database, UtcDateTime
from evald.store.migrate import config
from evald.store.store import Store

INSERT = """
insert into job (id, namespace, created_at, updated_at, target, config, target_id, config_id,
                 status, request_id, request_digest, gpus, attempt, failures, not_before,
                 custom_fields)
values ('eval-a', 'ns', :now, :now, :target, :config, 'eval-target-t', 'eval-config-c',
        'completed', 'key', 'digest', 0, 1, 0, 0, '{"run": 1}')
"""

INSERT_TARGET = """
insert into target (id, namespace, name, type, created_at, updated_at, spec, custom_fields)
values ('eval-target-t', 'ns', 'small', 'model', :now, :now, :spec, :fields)
"""

EVENT = """
insert into job_event (job_id, revision, at, status, attempt) values ('eval-a', :n, :now, :s, 0)
"""


def at(statement: str) -> TextClause:
    """The statement with its `now` as the store writes times."""
    return text(statement).bindparams(bindparam("now", type_=UtcDateTime))


def test_jobs_of_the_first_schema_stay(settings: Settings) -> None:
    database = Database(settings.database)
    now = datetime(2026, 1, 2, tzinfo=UTC)
    with database.engine.execution_options(write=True).begin() as connection:
        command.upgrade(config(connection), "0001")
        spec, fields = {"model": {"name": "m"}}, {"k": "v"}
        named = {"id": "eval-target-t", "namespace": "ns", "name": "small"}
        target = json.dumps({**named, **spec, "custom_fields": fields})
        given = json.dumps({"id": "eval-config-c", "namespace": "default", "name": "c"})
        connection.execute(at(INSERT), {"now": now, "target": target, "config": given})
        kept = {"now": now, "spec": json.dumps(spec), "fields": json.dumps(fields)}
        connection.execute(at(INSERT_TARGET), kept)
        for n, status in enumerate(("created", "running", "completed"), 1):
            connection.execute(at(EVENT), {"n": n, "now": now, "s": status})
    database.close()

    store = Store(settings)
    try:
        job = store.jobs.get("eval-a")
        assert [s["status"] for s in job["state_history"]] == ["created", "running", "completed"]
        for part in ("ns/small", "ns/eval-target-t"):
            found = store.jobs.page(ListQuery(filter={"target": part, "config": "default/c"}))
            assert [entry["id"] for entry in found.entries] == ["eval-a"]
        parts = {"target": {"name": "small", "model": "m", "custom_fields": ["k=v"]}}
        for filter in ({**parts, "config": {"name": "c"}}, {"custom_fields": ["run=1"]}):
            found = store.jobs.page(ListQuery(filter=filter))
            assert [entry["id"] for entry in found.entries] == ["eval-a"]
        for filter in ({"model": "m"}, {"custom_fields": ["k=v"]}):
            assert store.targets.page(ListQuery(filter=filter)).total == 1
        with store.database.read() as session:
            columns = "revision, request_key, request_digest, priority"
            row = session.execute(text(f"select {columns} from job")).one()
        assert tuple(row) == (3, "ns/key", "digest", 0)
    finally:
        store.close()
