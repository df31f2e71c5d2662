"""The database as the queue: claim, renew, record, finish, rescue.

Every write of an attempt names its `Fence`. A write whose fence no longer holds the job raises
LeaseLost and changes nothing, so an attempt that was overtaken can do no harm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select, update
from sqlalchemy.sql.functions import count
from sqlmodel import Session, col

from evald.domain import ids
from evald.domain.attempts import Claim, Fence, Waiting
from evald.domain.states import FINAL, HELD, LAUNCH_FAILED, WAITING, JobStatus
from evald.errors import LeaseLost
from evald.store.clock import epoch
from evald.store.engine import Database
from evald.store.jobs import SLIM, enter
from evald.store.tables import JobRow, ResultRow
from evald.store.turns import VIEW, VIEW_OF_KIND, first_of_each

SLOT_LOCK = 5170134
"""Of the locks of PostgreSQL, the class of those on a namespace's slots."""

RETRY_SECONDS = 2.0
"""Wait before the second attempt; doubled for each further one."""

LONGEST_WAIT = 360.0
"""What no wait before an attempt is longer than."""

EXPIRED = and_(col(JobRow.status).in_(HELD), col(JobRow.lease_until) < epoch())
"""Whether a job is held by a lease that has run out."""


class Queue:
    """The executor's side of the job table."""

    def __init__(self, database: Database, *, max_attempts: int, namespace_slots: int = 0) -> None:
        """`namespace_slots` is how many jobs of one namespace may run at once, 0 any number."""
        self._database = database
        self._max_attempts = max_attempts
        self._namespace_slots = namespace_slots

    def waiting(self, *, view: int = VIEW, of_kind: int = VIEW_OF_KIND) -> list[Waiting]:
        """Jobs that may start now: those of a higher priority first, then the oldest; of a long
        queue the first of each kind."""
        with self._database.read() as session:
            return first_of_each(session, view, of_kind)

    def running(self) -> dict[str, int]:
        """How many jobs of each namespace run, on any worker."""
        with self._database.read() as session:
            held = col(JobRow.status).in_(HELD)
            rows = session.execute(
                select(JobRow.namespace, count()).where(held).group_by(JobRow.namespace)
            )
            return {row[0]: row[1] for row in rows}

    def claim(
        self,
        job_id: str,
        worker: str,
        *,
        devices: Sequence[str],
        lease_seconds: float,
        files_url: str,
    ) -> Claim | None:
        """Takes a waiting job, or answers None when somebody else was faster, or has taken the last
        of its namespace's slots."""
        with self._database.read() as session:
            # What may be megabytes is read before the job is locked, and never changes.
            given = session.execute(
                select(JobRow.target, JobRow.config).where(JobRow.id == job_id)
            ).first()
        if given is None:
            return None
        with self._database.write("claim") as session:
            row = session.scalars(
                select(JobRow)
                .where(JobRow.id == job_id, col(JobRow.status).in_(WAITING))
                .options(*SLIM)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None or not self._has_slot(session, row.namespace):
                return None
            row.attempt += 1
            row.worker = worker
            row.lease_until = session.scalar(select(epoch() + lease_seconds))
            row.devices = list(devices)
            row.progress = row.progress or 0.0
            row.samples_processed = row.samples_processed or 0
            row.task_status = dict.fromkeys(given.config.get("tasks") or {}, "pending")
            row.output_files_url = files_url
            enter(session, row, JobStatus.RUNNING)
            if row.result_id is None:
                result = ResultRow(
                    id=ids.new_id(ids.RESULT),
                    job_id=row.id,
                    namespace=row.namespace,
                    files_url=files_url,
                )
                row.result_id = result.id
                session.add(result)
            return Claim(
                Fence(row.id, row.attempt, worker),
                given.target,
                given.config,
                row.max_runtime,
                is_last=row.failures + 1 >= self._max_attempts,
            )

    def _has_slot(self, session: Session, namespace: str) -> bool:
        """Whether another job of a namespace may run. Who else asks waits for this transaction."""
        if not self._namespace_slots:
            return True
        self._database.lock(session, SLOT_LOCK, namespace)
        taken = select(count()).where(JobRow.namespace == namespace, col(JobRow.status).in_(HELD))
        return (session.scalar(taken) or 0) < self._namespace_slots

    def disown(self, worker: str, job_ids: Collection[str]) -> None:
        """Gives back those of some jobs that a worker holds, without counting an attempt."""
        with self._database.write() as session:
            # The claim may not be committed yet: this waits for it, and sees what came of it.
            rows = session.scalars(
                select(JobRow).where(col(JobRow.id).in_(job_ids)).options(*SLIM).with_for_update()
            ).all()
            for row in rows:
                if row.worker == worker and row.status in HELD:
                    self._put_back(session, row, 0.0, counted=False, error={})

    def hold(self, job_ids: Sequence[str]) -> None:
        """Shows created jobs that no slot or GPU is free for as pending."""
        with self._database.write("hold") as session:
            rows = session.scalars(
                select(JobRow)
                .where(col(JobRow.id).in_(job_ids), JobRow.status == JobStatus.CREATED)
                .options(*SLIM)
                .with_for_update(skip_locked=True)
            )
            for row in rows:
                enter(session, row, JobStatus.PENDING)

    def renew(self, fences: Sequence[Fence], *, lease_seconds: float) -> set[str]:
        """Renews the leases of attempts; answers the jobs that are still held."""
        ours = [
            and_(JobRow.id == f.job_id, JobRow.attempt == f.attempt, JobRow.worker == f.worker)
            for f in fences
        ]
        held = (or_(false(), *ours), col(JobRow.status).in_(HELD))
        with self._database.write("renew") as session:
            session.execute(update(JobRow).where(*held).values(lease_until=epoch() + lease_seconds))
            return set(session.scalars(select(JobRow.id).where(*held)))

    def cancelling(self, worker: str) -> list[str]:
        """Jobs that a worker holds and whose end was asked for."""
        with self._database.read() as session:
            rows = session.scalars(
                select(JobRow.id).where(
                    JobRow.status == JobStatus.CANCELLING, JobRow.worker == worker
                )
            )
            return list(rows)

    def over(self, job_ids: Iterable[str]) -> set[str]:
        """Those of some jobs that have ended, or are not there."""
        asked = set(job_ids)
        return asked - self._of(asked, col(JobRow.status).not_in(FINAL))

    def ended(self, job_ids: Iterable[str]) -> set[str]:
        """Those of some jobs that have ended, and are there."""
        return self._of(job_ids, col(JobRow.status).in_(FINAL))

    def _of(self, job_ids: Iterable[str], state: ColumnElement[bool]) -> set[str]:
        """Those of some jobs that are in a state."""
        with self._database.read() as session:
            found = select(JobRow.id).where(col(JobRow.id).in_(set(job_ids)), state)
            return set(session.scalars(found))

    def finish(
        self,
        fence: Fence,
        status: JobStatus,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        launched: bool = True,
    ) -> JobStatus:
        """Ends the job; answers the state that it ended in, which is cancelled whenever its end
        was asked for before."""
        with self._database.write("finish") as session:
            row = held(session, fence)
            if row.status == JobStatus.CANCELLING:
                status = JobStatus.CANCELLED
            if status == JobStatus.COMPLETED:
                row.progress = 100.0
            if status == JobStatus.FAILED:
                row.error = dict(error or {})
            _let_go(row)
            enter(session, row, status, message=None if launched else LAUNCH_FAILED)
            found = session.get_one(ResultRow, row.result_id)
            if status == JobStatus.COMPLETED and result is not None:
                found.tasks = dict(result.get("tasks") or {})
                found.groups = dict(result.get("groups") or {})
            found.updated_at = row.updated_at
            return status

    def release(self, fence: Fence, *, counted: bool, error: Mapping[str, Any]) -> JobStatus:
        """Gives a job back to the queue after an attempt that did not end it.

        `counted` is false for an attempt that was told to stop, by a drain. The last counted
        attempt allowed fails the job with `error`.
        """
        with self._database.write("release") as session:
            row, moment = held(session, fence), session.scalar(select(epoch())) or 0.0
            return self._put_back(session, row, moment, counted=counted, error=error)

    def has_expired(self) -> bool:
        """Whether the lease of a job has run out; asked often, it keeps nobody waiting."""
        with self._database.read() as session:
            return session.scalar(select(JobRow.id).where(EXPIRED).limit(1)) is not None

    def rescue(self, *, worker: str | None = None) -> list[str]:
        """Takes jobs whose lease ran out from their workers; with `worker`, all that this one held
        instead (it has just started, so what it held it lost), and those may run again at once.

        Then also no job waits longer than an attempt ever makes one wait, as it could if the clock
        was ahead in this server's former life. Answers the ids of the jobs that were taken.
        """
        own = and_(col(JobRow.status).in_(HELD), JobRow.worker == worker)
        error = {"kind": "lost", "message": "the attempt's process or server died while it ran"}
        with self._database.write("rescue") as session:
            rows = session.scalars(
                select(JobRow)
                .where(EXPIRED if worker is None else own)
                .options(*SLIM)
                .with_for_update(skip_locked=True)
            ).all()
            moment = session.scalar(select(epoch())) or 0.0
            for row in rows:
                self._put_back(session, row, moment, counted=True, error=error)
                if worker is not None:
                    row.not_before = 0.0
            if worker is not None:
                latest = moment + LONGEST_WAIT
                waits = (col(JobRow.status).in_(WAITING), col(JobRow.not_before) > latest)
                session.execute(update(JobRow).where(*waits).values(not_before=latest))
            return [row.id for row in rows]

    def _put_back(
        self,
        session: Session,
        row: JobRow,
        moment: float,
        *,
        counted: bool,
        error: Mapping[str, Any],
    ) -> JobStatus:
        row.failures += counted
        _let_go(row)
        if row.status == JobStatus.CANCELLING:
            enter(session, row, JobStatus.CANCELLED)
        elif counted and row.failures >= self._max_attempts:
            row.error = {
                **error,
                "message": f"{error['message']} (run {row.failures} of {self._max_attempts})",
            }
            enter(session, row, JobStatus.FAILED)
        else:
            row.not_before = 0.0
            if counted:
                doubled = RETRY_SECONDS * 2 ** min(row.failures - 1, 20)
                row.not_before = moment + min(doubled, LONGEST_WAIT)
            enter(session, row, JobStatus.PENDING)
        return JobStatus(row.status)


def held(session: Session, fence: Fence) -> JobRow:
    """The job that a fence holds, locked for this transaction. Raises LeaseLost."""
    row = session.scalars(
        select(JobRow)
        .where(
            JobRow.id == fence.job_id,
            JobRow.attempt == fence.attempt,
            JobRow.worker == fence.worker,
            col(JobRow.status).in_(HELD),
        )
        .options(*SLIM)
        .with_for_update()
    ).first()
    if row is None:
        raise LeaseLost(f"attempt {fence.attempt} no longer holds job {fence.job_id}")
    return row


def _let_go(row: JobRow) -> None:
    row.worker = None
    row.lease_until = None
    row.devices = None
