"""Rows of results."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session

from evald.domain.access import caller
from evald.domain.documents import Document
from evald.domain.listing import ListQuery, Page
from evald.domain.requests import UNKEYED, Request
from evald.domain.states import HELD
from evald.errors import Conflict, NotFound
from evald.store.columns import now
from evald.store.engine import Database
from evald.store.jobs import find as find_job
from evald.store.pages import Pages
from evald.store.requests import add_once
from evald.store.tables import JobRow, ResultRow


class ResultStore:
    """Keeps results: at most one a job, which names it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages = Pages(ResultRow)

    def add(self, document: Document, request: Request = UNKEYED) -> Document:
        """Answers what is stored: the document, or what an earlier create of the same request made.

        Raises NotFound without the job, AlreadyExists when it has a result, or Conflict when the
        request's key was used for something else.
        """
        job_id = document["job"]
        row = ResultRow.from_document(document)

        def add(session: Session, row: ResultRow) -> None:
            find_job(session, job_id, slim=True, lock=True).result_id = row.id
            session.add(row)

        taken = f"job {job_id!r} has a result already; change or delete that one"
        return add_once(self._database, row, request, "result", taken, add).document()

    def get(self, result_id: str) -> Document:
        """Raises NotFound."""
        with self._database.read() as session:
            return _find(session, result_id).document()

    def of_job(self, job_id: str) -> Document:
        """The result of a job. Raises NotFound."""
        with self._database.read() as session:
            job = find_job(session, job_id, slim=True)
            if job.result_id is None:
                what = "has none" if job.attempt else "has not started, so it has none yet"
                raise NotFound(f"the result of job {job_id!r} does not exist: the job {what}")
            return _find(session, job.result_id).document()

    def page(self, query: ListQuery) -> Page:
        with self._database.read() as session:
            return self._pages.read(session, query)

    def update(
        self, result_id: str, job_id: str | None, change: Callable[[Document], Document]
    ) -> Document:
        """Sets members that `change` makes of what is stored; None takes one away. `job_id` is the
        new job, if there is one. Raises NotFound without the result or its new job, or Conflict
        when that job has a result or the old one runs."""
        with self._database.write() as session:
            row = _held(session, result_id, job_id)
            changes = change(row.document())
            if job_id is not None and job_id != row.job_id:
                _ended(session, row).result_id = None
                job = find_job(session, job_id, slim=True)
                if job.result_id is not None:
                    raise Conflict(f"job {job_id!r} has a result already, {job.result_id}")
                job.result_id = row.id
            row.update(changes)
            row.updated_at = now()
            session.add(row)
        return row.document()

    def delete(self, result_id: str) -> None:
        """Raises NotFound, or Conflict when the job runs."""
        with self._database.write() as session:
            row = _held(session, result_id)
            _ended(session, row).result_id = None
            session.delete(row)


def _held(session: Session, result_id: str, new_job_id: str | None = None) -> ResultRow:
    """A result that nobody else changes meanwhile, by the locks of its job and of the one that it
    goes to; as all take them in the same order, none waits for another in a circle. Raises NotFound
    or Conflict."""
    job_ids = {_find(session, result_id).job_id, new_job_id}
    for job_id in sorted(filter(None, job_ids)):
        find_job(session, job_id, slim=True, lock=True)
    row = _find(session, result_id)
    if row.job_id not in job_ids:
        raise Conflict(f"result {result_id!r} went to another job just now; look again")
    return row


def _find(session: Session, result_id: str) -> ResultRow:
    row = session.get(ResultRow, result_id, populate_existing=True)
    if row is None or not caller().sees(row.namespace):
        raise NotFound(f"result {result_id!r} does not exist")
    return row


def _ended(session: Session, row: ResultRow) -> JobRow:
    """The job of a result, which is not being written now. Raises Conflict."""
    job = find_job(session, row.job_id, slim=True)
    if job.status in HELD:
        raise Conflict(f"job {job.id!r} is {job.status} and writes this result; wait for its end")
    return job
