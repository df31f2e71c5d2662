"""Rows of samples: written in batches under a fence, read back as streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import orjson
from sqlalchemy import ARRAY, BindParameter, Insert, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from evald.deadline import remaining
from evald.domain.attempts import Fence, Standing, StoredSample
from evald.domain.documents import EXACT
from evald.domain.listing import ListQuery, Page
from evald.store.columns import now
from evald.store.engine import Database
from evald.store.jobs import find
from evald.store.pages import cut
from evald.store.queue import held
from evald.store.tables import SampleRow

READ_BATCH = 500

COLUMNS = [field.name for field in fields(StoredSample)]
STORED = [col(getattr(SampleRow, name)) for name in COLUMNS]
"""Columns alone, since objects that the session looks after take five times as long to read."""


def _insert_arrays() -> Insert:
    """Inserts a batch on PostgreSQL, from an array for each column.

    It is one statement. psycopg sends many as a pipeline, and in the midst of one PostgreSQL waits
    without a limit for a server that has stopped, whose job nobody can rescue then.
    """
    table = SampleRow.metadata.tables[str(SampleRow.__tablename__)]

    def given(name: str, *, array: bool = False) -> BindParameter[Any]:
        # An insert takes parameters that are named as its columns for what it is to insert.
        kind = table.c[name].type
        return bindparam(f"given_{name}", type_=ARRAY(kind) if array else kind)

    arrays = func.unnest(*(given(name, array=True) for name in COLUMNS))
    rows = arrays.table_valued(*COLUMNS).render_derived()
    held_by = ("job_id", "attempt")
    found = select(*(rows.c[name] for name in COLUMNS), *map(given, held_by))
    insert = postgresql.insert(table).from_select([*COLUMNS, *held_by], found)
    return insert.on_conflict_do_nothing()


INSERT_ARRAYS = _insert_arrays()


class SampleStore:
    """Keeps the samples of jobs, each once by its job, task and row number."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, fence: Fence, batch: Sequence[StoredSample], standing: Standing) -> None:
        """Stores samples and how far the attempt is, at once. A sample that is there already stays
        as it is. Progress never falls, nor do the samples that are done. Raises LeaseLost."""
        with self._database.write("record") as session:
            row = held(session, fence)
            if standing.progress is not None:
                row.progress = max(row.progress or 0.0, standing.progress)
            row.samples_processed = max(row.samples_processed or 0, standing.processed)
            row.task_status = dict(standing.task_status)
            row.updated_at = now()
            row.revision += 1
            if batch:
                self._insert(session, fence, batch)

    def _insert(self, session: Session, fence: Fence, batch: Sequence[StoredSample]) -> None:
        held_by = {"job_id": fence.job_id, "attempt": fence.attempt}
        if self._database.is_sqlite:
            rows = [{name: getattr(s, name) for name in COLUMNS} | held_by for s in batch]
            session.execute(sqlite.insert(SampleRow).on_conflict_do_nothing(), rows)
            return
        arrays = {name: [getattr(s, name) for s in batch] for name in COLUMNS}
        given = {f"given_{name}": value for name, value in (arrays | held_by).items()}
        session.execute(INSERT_ARRAYS, given)

    def count(self, job_id: str) -> int:
        with self._database.read() as session:
            matching = select(func.count()).where(SampleRow.job_id == job_id)
            return session.scalar(matching) or 0

    def tasks(self, job_id: str) -> list[str]:
        """The tasks of a job that have samples."""
        with self._database.read() as session:
            matching = select(SampleRow.task).where(SampleRow.job_id == job_id)
            return list(session.scalars(matching.distinct()))

    def read(self, job_id: str, task: str | None = None) -> Iterator[StoredSample]:
        """The samples of a job by task and row number, a batch in memory at a time. Raises
        DeadlineExceeded."""
        matching = select(*STORED).where(SampleRow.job_id == job_id)
        if task is not None:
            matching = matching.where(SampleRow.task == task)
        ordered = matching.order_by(col(SampleRow.task), col(SampleRow.index))
        with self._database.read() as session:
            rows = session.execute(ordered.execution_options(yield_per=READ_BATCH))
            for batch in rows.partitions():
                remaining(0)
                yield from (StoredSample(*row) for row in batch)

    def page(
        self, job_id: str, task: str | None, query: ListQuery, *, failed: bool | None = None
    ) -> Page:
        """One page of a job's samples as documents, only those with an error or without if
        `failed` says so. Raises NotFound."""
        with self._database.read() as session:
            find(session, job_id, slim=True)
            matching = select(SampleRow).where(SampleRow.job_id == job_id)
            if task is not None:
                matching = matching.where(SampleRow.task == task)
            if failed is not None:
                error = col(SampleRow.error)
                matching = matching.where(error.is_not(None) if failed else error.is_(None))
            total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
            rows, last = cut(session, matching, [SampleRow.task, SampleRow.index], query)
            return Page([_document(row) for (row,) in rows], total, last)


def _document(row: SampleRow) -> dict[str, Any]:
    document = {
        "task": row.task,
        "index": row.index,
        "item": _exact(orjson.loads(row.item)),
        "sample": _exact(orjson.loads(row.sample)) if row.sample else None,
        "metrics": orjson.loads(row.scores),
        "error": orjson.loads(row.error) if row.error else None,
    }
    return {k: v for k, v in document.items() if v is not None}


def _exact(value: Any) -> Any:
    """A value whose whole numbers are texts where a double cannot hold them: answers have no other
    numbers, and two ids would be one."""
    match value:
        case dict():
            return {key: _exact(member) for key, member in value.items()}
        case list():
            return [_exact(entry) for entry in value]
        case int() if abs(value) > EXACT:
            return str(value)
    return value
