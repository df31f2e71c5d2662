"""Rows of named entities: targets and configs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from evald.deadline import remaining
from evald.domain.access import caller
from evald.domain.documents import Document
from evald.domain.listing import ListQuery, Page
from evald.domain.references import Reference
from evald.domain.requests import UNKEYED, Request
from evald.errors import AlreadyExists, Conflict, NotFound
from evald.store import facts
from evald.store.engine import Database
from evald.store.filters import visible
from evald.store.pages import Pages
from evald.store.requests import add_once, made
from evald.store.tables import JobRow, NamedEntity


def _begin(session: Session, row: NamedEntity) -> None:
    """Writes a new entity, and the facts that it is found by."""
    session.add(row)
    session.flush()
    facts.write(session, row)


class EntityStore:
    """Keeps the entities of one table. `noun` is what error messages call one."""

    def __init__(self, database: Database, row: type[NamedEntity], noun: str) -> None:
        self._database = database
        self._row = row
        self._noun = noun
        self._pages = Pages(row)

    def made(self, request: Request) -> Document | None:
        """What an earlier create of the same request made. Raises Conflict when the request's key
        was used for something else."""
        first = made(self._database, self._row, request, self._noun)
        return None if first is None else first.document()

    def add(self, document: Document, request: Request = UNKEYED) -> Document:
        """Answers what is stored: the document, or what an earlier create of the same request made.

        Raises AlreadyExists when the name is taken in its namespace, or Conflict when the request's
        key was used for something else.
        """
        row = self._row.from_document(document)
        taken = self._taken(document)
        return add_once(self._database, row, request, self._noun, taken, _begin).document()

    def get(self, reference: Reference) -> Document:
        """The entity of that name, else of that id. Raises NotFound."""
        with self._database.read() as session:
            return self._find(session, reference).document()

    def page(self, query: ListQuery) -> Page:
        with self._database.read() as session:
            return self._pages.read(session, query)

    def update(self, reference: Reference, change: Callable[[Document], Document]) -> Document:
        """Puts what `change` makes of the entity in its place. When somebody else has changed it
        meanwhile, `change` is called again, with what that left: it may take long, and the lock of
        the database is not held for it.

        Raises NotFound, AlreadyExists, and what `change` raises.
        """
        while True:
            remaining(0)
            stored = self.get(reference)
            changed = change(stored)
            try:
                with self._database.write() as session:
                    row = self._find(session, reference, lock=True)
                    if row.document() != stored:
                        continue
                    before = facts.of(row)
                    row.update(changed)
                    session.add(row)
                    session.flush()
                    facts.rewrite(session, row, before)
                return row.document()
            except IntegrityError as e:
                raise AlreadyExists(self._taken(changed)) from e

    def delete(self, reference: Reference) -> str:
        """Answers the id. Raises NotFound, or Conflict when a job uses the entity."""
        with self._database.write() as session:
            row = self._find(session, reference, lock=True)
            used_by = getattr(JobRow, f"{self._noun}_id")
            jobs = select(JobRow.id).where(used_by == row.id).limit(1)
            job = session.scalar(jobs.where(*visible(JobRow)))
            if job is not None:
                raise Conflict(
                    f"{self._noun} '{reference}' is used by job {job}; delete the job first "
                    f"(find all with filter[{self._noun}]={reference})"
                )
            if session.scalar(jobs) is not None:
                raise Conflict(f"{self._noun} '{reference}' is used by a job of another namespace")
            session.delete(row)
            return row.id

    def _taken(self, document: Document) -> str:
        return f"a {self._noun} '{document['namespace']}/{document['name']}' exists already"

    def _find(self, session: Session, reference: Reference, *, lock: bool = False) -> NamedEntity:
        row = self._row
        matching = (
            select(row)
            .where(row.namespace == reference.namespace)
            .where(or_(row.name == reference.name, row.id == reference.name))
        )
        found: Sequence[NamedEntity] = session.scalars(
            matching.with_for_update() if lock else matching
        ).all()
        if not found or not caller().sees(reference.namespace):
            raise NotFound(f"{self._noun} '{reference}' does not exist")
        return min(found, key=lambda entity: entity.name != reference.name)
