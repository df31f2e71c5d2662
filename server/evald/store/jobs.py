"""Rows of jobs, as their users see them; `queue` has the executor's side."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import defer
from sqlmodel import Session, col

from evald.domain.access import caller
from evald.domain.documents import Document, write_time
from evald.domain.listing import ListQuery, Page
from evald.domain.requests import UNKEYED, Request
from evald.domain.states import FINAL, MESSAGES, JobStatus, leave_tasks, step
from evald.errors import Conflict, NotFound
from evald.store import facts
from evald.store.columns import now
from evald.store.engine import Database
from evald.store.pages import Pages
from evald.store.requests import add_once, made
from evald.store.tables import JobEventRow, JobRow

SLIM = (defer(JobRow.target), defer(JobRow.config))
"""Leaves out what may be megabytes of rows, for those who look at a job's state only."""


def find(session: Session, job_id: str, *, slim: bool = False, lock: bool = False) -> JobRow:
    """A job that the caller sees, without its target and config if `slim`; nobody else changes it
    meanwhile if `lock`. Raises NotFound."""
    options = SLIM if slim else ()
    row = session.get(JobRow, job_id, options=options, with_for_update=lock or None)
    if row is None or not caller().sees(row.namespace):
        raise NotFound(f"job {job_id!r} does not exist")
    return row


def enter(session: Session, row: JobRow, status: JobStatus, *, message: str | None = None) -> None:
    """Takes a job to its next state and writes the event of it. Raises Conflict when that is no
    legal step."""
    row.status = step(JobStatus(row.status), status)
    row.message = message or MESSAGES[status]
    if row.task_status:
        row.task_status = leave_tasks(row.task_status, status)
    record(session, row)


def record(session: Session, row: JobRow) -> None:
    """Writes the event of the state that a job has just entered."""
    row.updated_at = now()
    row.revision += 1
    session.add(row)
    session.flush()
    session.add(
        JobEventRow(
            job_id=row.id,
            revision=row.revision,
            at=row.updated_at,
            status=row.status,
            attempt=row.attempt,
            worker=row.worker,
        )
    )


def _begin(session: Session, row: JobRow) -> None:
    """Writes a new job with its first event, and the facts that it is found by."""
    record(session, row)
    facts.write(session, row)


def history(session: Session, job_ids: Collection[str]) -> dict[str, list[Document]]:
    """The events of jobs, oldest first."""
    events: dict[str, list[Document]] = {job_id: [] for job_id in job_ids}
    rows = session.scalars(
        select(JobEventRow)
        .where(col(JobEventRow.job_id).in_(job_ids))
        .order_by(JobEventRow.job_id, JobEventRow.revision)
    )
    for row in rows:
        moment = {"revision": row.revision, "at": write_time(row.at)}
        events[row.job_id].append({**moment, "status": row.status, "attempt": row.attempt})
    return events


class JobStore:
    """Keeps jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pages = Pages(JobRow)

    def made(self, request: Request) -> Document | None:
        """The job that the same request made before. Raises Conflict when the request's key was
        used for another job."""
        first = made(self._database, JobRow, request, "job")
        return None if first is None else first.document()

    def add(self, job: Document, request: Request = UNKEYED) -> Document:
        """Stores a new job and answers it, or the one that the same request made before.

        Raises Conflict when the request's key was used for another job.
        """
        row = JobRow.from_document(job)
        taken = f"a job {row.id!r} exists already"
        return add_once(self._database, row, request, "job", taken, _begin).document()

    def get(self, job_id: str) -> Document:
        """Raises NotFound."""
        with self._database.read() as session:
            job = find(session, job_id).document()
            return {**job, "state_history": history(session, [job_id])[job_id]}

    def namespace(self, job_id: str) -> str:
        """Where a job is. Raises NotFound."""
        with self._database.read() as session:
            return find(session, job_id, slim=True).namespace

    def status(self, job_id: str) -> Document:
        """The status of a job, what it says of itself, and its error. Raises NotFound."""
        with self._database.read() as session:
            row = find(session, job_id, slim=True)
            said = {"status": row.status, **row.details()}
            return {**said, "error": row.error} if row.error else said

    def page(self, query: ListQuery) -> Page:
        with self._database.read() as session:
            return self._pages.read(session, query)

    def cancel(self, job_id: str) -> Document:
        """Ends a waiting job, asks for the end of a running one, and leaves an ended one alone."""
        with self._database.write("cancel") as session:
            row = find(session, job_id, slim=True, lock=True)
            match JobStatus(row.status):
                case JobStatus.CREATED | JobStatus.PENDING:
                    enter(session, row, JobStatus.CANCELLED)
                case JobStatus.RUNNING:
                    enter(session, row, JobStatus.CANCELLING)
        with self._database.read() as session:  # what may be megabytes, when it is not locked
            return find(session, job_id).document()

    def delete(self, job_id: str) -> None:
        """Deletes a job that has ended, with its result, samples and events. Raises Conflict."""
        with self._database.write("delete") as session:
            row = find(session, job_id, slim=True, lock=True)
            if row.status not in FINAL:
                raise Conflict(f"job {job_id!r} is {row.status}; cancel it first")
            session.delete(row)
