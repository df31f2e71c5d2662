"""What happens to jobs, as those who watch them read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlmodel import Session, col

from evald.domain.documents import write_time
from evald.domain.watch import Look
from evald.store.engine import Database
from evald.store.jobs import SLIM, find, history
from evald.store.tables import JobRow

BATCH = 500
"""Jobs in one query."""


class EventStore:
    """Looks at jobs and what happened to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, job_id: str) -> Look:
        """How a job stands that the caller sees. Raises NotFound."""
        with self._database.read() as session:
            return _looks(session, [find(session, job_id, slim=True)])[job_id]

    def changed(self, known: Mapping[str, int]) -> dict[str, Look | None]:
        """How those jobs stand whose revision is another than the known one; None when a job is
        gone. Asks for no caller."""
        found: dict[str, Look | None] = {}
        ids = list(known)
        with self._database.read() as session:
            for start in range(0, len(ids), BATCH):
                batch = ids[start : start + BATCH]
                rows = session.execute(
                    select(JobRow.id, JobRow.revision).where(col(JobRow.id).in_(batch))
                )
                revisions = {row.id: row.revision for row in rows}
                changed = [i for i in batch if revisions.get(i) != known[i]]
                if changed:
                    slim = select(JobRow).where(col(JobRow.id).in_(changed)).options(*SLIM)
                    found |= dict.fromkeys(changed)
                    found |= _looks(session, session.scalars(slim))
        return found


def _looks(session: Session, rows: Iterable[JobRow]) -> dict[str, Look]:
    """The rows are read before the events, so that no event of theirs can be missing; one that is
    newer than its row is for the next look."""
    jobs = {row.id: row for row in rows}
    looks = {}
    for job_id, events in history(session, list(jobs)).items():
        row = jobs[job_id]
        present = {
            "revision": row.revision,
            "at": write_time(row.updated_at),
            "status": row.status,
            "attempt": row.attempt,
            "status_details": row.details(),
        }
        if row.error:
            present["error"] = row.error
        looks[job_id] = Look(present, [e for e in events if e["revision"] <= row.revision])
    return looks
