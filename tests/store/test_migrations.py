"""A database of an older schema keeps what it holds."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random

import pytest
from alembic import command
from sqlalchemy import TextClause, bindparam, text

from evald.domain.listing import ListQuery
from evald.errors import Unavailable
from evald.settings import Settings
from evald.store.clock import UtcDateTime
from evald.store.engine import Database
from evald.store.migrate import config, migrate
from evald.store.store import Store
from tests.store.conftest import opened

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


INSERT_JOB = """
insert into job (id, namespace, project, created_at, updated_at, target, config, target_id,
                 config_id, target_ref, config_ref, status, revision, gpus, attempt, failures,
                 not_before, priority)
values (:id, :namespace, :project, :now, :now, :target, '{}', 't', 'c', 'ns/t', 'ns/c',
        'completed', 1, 0, 1, 0, 0, 0)
"""


@contextmanager
def at_schema(settings: Settings, revision: str) -> Iterator[Database]:
    """A database of an earlier schema."""
    database = Database(settings.database)
    with database.connect() as connection:
        command.upgrade(config(connection), revision)
    yield database
    database.close()


def add_job(database: Database, id: str, **columns: str) -> None:
    given = {"namespace": "ns", "project": "p", "target": "{}", "id": id, **columns}
    with database.connect() as connection:
        connection.execute(at(INSERT_JOB), {"now": datetime(2026, 1, 2, tzinfo=UTC), **given})


def test_facts_are_read_from_one_row_at_a_time(settings: Settings) -> None:
    """Rows are large, and there are many."""
    with at_schema(settings, "0005") as database:
        for n in range(40):
            target = json.dumps({"name": f"t{n}", "rows": [{"text": "x" * 2**20}]})
            add_job(database, f"eval-{n}", target=target)
        tracemalloc.start()
        try:
            migrate(database)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2**24
    with opened(settings) as store:
        for n in range(40):
            assert store.jobs.page(ListQuery(filter={"target": {"name": f"t{n}"}})).total == 1


def test_rows_that_no_index_can_hold_are_named(settings: Settings) -> None:
    random = Random(1)
    letters = "".join(chr(random.randint(0x4E00, 0x9FFF)) for _ in range(1135))
    with at_schema(settings, "0005") as database:
        add_job(database, "eval-good", project="p" * 3000)
        for n in range(2):
            add_job(database, f"eval-{n}", namespace=letters[:255], project=letters[255 + n :])
        if database.is_sqlite:
            migrate(database)
            return
        with pytest.raises(Unavailable) as e:
            migrate(database)
        assert e.value.message == (
            "this version of evald indexes the namespace, project, id of each job, and PostgreSQL "
            "takes at most 2600 bytes in all; with your earlier version of evald, shorten or "
            "delete those that have more: eval-0 (3411 bytes), eval-1 (3408 bytes), eval-good "
            "(3011 bytes)"
        )
        with database.connect() as connection:
            connection.execute(text("delete from job where id in ('eval-0', 'eval-1')"))
        migrate(database)
