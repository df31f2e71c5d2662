"""Creates that are asked for twice: the second answers what the first one made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from evald.domain.access import caller
from evald.domain.requests import Request
from evald.errors import AlreadyExists, Conflict
from evald.store.engine import Database
from evald.store.tables import Entity

Row = TypeVar("Row", bound=Entity)


def add_once(
    database: Database,
    row: Row,
    request: Request,
    noun: str,
    taken: str,
    add: Callable[[Session, Row], None] = Session.add,
) -> Row:
    """Stores a new row by `add` and answers it, or the row that the same request made before.

    Raises Conflict when the request's key was used for something else, else AlreadyExists, saying
    what is `taken`, when there is such a row already.
    """
    row.request_key, row.request_digest = request.key, request.digest
    try:
        with database.write("create") as session:
            add(session, row)
        return row
    except IntegrityError as e:
        first = made(database, type(row), request, noun)
        if first is None:
            raise AlreadyExists(taken) from e
    return first


def made(database: Database, table: type[Row], request: Request, noun: str) -> Row | None:
    """The row that the same request made before. Raises Conflict when the request's key was used
    for something else."""
    if request.key is None:
        return None
    with database.read() as session:
        first = session.scalars(select(table).where(table.request_key == request.key)).first()
    if first is None or (first.request_digest == request.digest and caller().sees(first.namespace)):
        return first
    raise Conflict(f"this request id was used for another {noun}, {first.id!r}; use a fresh one")
