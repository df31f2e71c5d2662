"""Whose turn it is: the order of the queue, and its beginning."""

from __future__ import annotations

from sqlalchemy import Index, func, select
from sqlmodel import Session, col

from evald.domain.attempts import Waiting
from evald.domain.devices import Need
from evald.domain.states import WAITING
from evald.store.clock import epoch
from evald.store.tables import JobRow

VIEW = 5000
"""Waiting jobs that are looked at when it is asked whose turn it is."""

VIEW_OF_KIND = 100
"""Those of one kind. When one of them cannot start, those behind it cannot either."""

KIND = (JobRow.status, JobRow.namespace, JobRow.gpus, JobRow.gpu_memory)
"""What decides, besides their turn, which jobs may start."""

IN_TURN = (col(JobRow.priority).desc(), col(JobRow.created_at), col(JobRow.id))
"""Whose turn it is: those of a higher priority first, then the oldest."""

Index("job_turn", *KIND, *IN_TURN, JobRow.not_before)


def first_of_each(session: Session, view: int, of_kind: int) -> list[Waiting]:
    """Jobs that may start now, in turn: `view` at most, and `of_kind` of each kind, so that no
    number of jobs that wait for their namespace's cap or for GPUs hides one that could start."""
    place = func.row_number().over(partition_by=KIND, order_by=IN_TURN).label("place")
    columns = (*KIND, JobRow.id, JobRow.priority, JobRow.created_at)
    may_start = (col(JobRow.status).in_(WAITING), col(JobRow.not_before) <= epoch())
    job = select(*columns, place).where(*may_start).subquery().c
    order = (job.place, job.priority.desc(), job.created_at, job.id)
    rows = session.execute(
        select(job).where(job.place <= of_kind).order_by(*order).limit(view)
    ).all()
    rows = sorted(rows, key=lambda row: (-row.priority, row.created_at, row.id))
    return [
        Waiting(row.id, row.status, Need(row.gpus, row.gpu_memory), row.namespace) for row in rows
    ]
