"""Facts: what filters ask for that no column holds, such as an entry of the custom fields, or the
name of a job's target.

A fact is a digest of where something is and what it is. The tables here say who has which, in the
order in which lists show them, so that an index finds a page of those who have it. Facts are
written with the row and, for a job, never change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, delete, insert
from sqlmodel import Session, SQLModel

from evald.store.clock import UtcDateTime
from evald.store.engine import write_json
from evald.store.tables import ConfigRow, Entity, JobRow, NamedEntity, TargetRow

FIELDS = ("namespace", "name", "project", "type")
"""Members of a job's target and config that jobs are filtered by."""

DIGEST_BYTES = 16


def _table(owner: str) -> Table:
    return Table(
        f"{owner}_fact",
        SQLModel.metadata,
        Column("fact", LargeBinary, primary_key=True),
        Column("created_at", UtcDateTime, primary_key=True),
        Column("id", ForeignKey(f"{owner}.id", ondelete="CASCADE"), primary_key=True),
        Index(f"{owner}_fact_id", "id"),
        sqlite_with_rowid=False,
    )


TABLES: Mapping[type[Entity], Table] = {
    JobRow: _table("job"),
    TargetRow: _table("target"),
    ConfigRow: _table("config"),
}


def fact(*path: str) -> bytes:
    """The fact that the last text is at the path before it."""
    return hashlib.sha256(json.dumps(path).encode()).digest()[:DIGEST_BYTES]


def custom_field(pair: str, *parent: str) -> bytes:
    """The fact that an entity, or its part, has `key=value` among its custom fields."""
    key, _, value = pair.partition("=")
    return fact(*parent, "custom_fields", key, value)


def of_job(target: Any, config: Any, custom_fields: Any) -> set[bytes]:
    """The facts of a job."""
    found = set(_custom_fields(custom_fields))
    for part, document in (("target", target), ("config", config)):
        found |= {fact(part, k, document[k]) for k in FIELDS if document.get(k)}
        found.update(_custom_fields(document.get("custom_fields"), part))
        found.update(_models(document.get("model"), part))
    return found


def of_entity(spec: Any, custom_fields: Any) -> set[bytes]:
    """The facts of a target or config."""
    return {*_custom_fields(custom_fields), *_models(spec.get("model"))}


def of(row: Entity) -> set[bytes]:
    """The facts of a row."""
    if isinstance(row, JobRow):
        return of_job(row.target, row.config, row.custom_fields)
    assert isinstance(row, NamedEntity)
    return of_entity(row.spec, row.custom_fields)


def write(session: Session, row: Entity) -> None:
    """Writes the facts of a new row."""
    rows = [{"fact": each, "created_at": row.created_at, "id": row.id} for each in sorted(of(row))]
    if rows:
        session.execute(insert(TABLES[type(row)]), rows)


def rewrite(session: Session, row: Entity, before: set[bytes]) -> None:
    """Writes the facts of a row that has changed."""
    if of(row) != before:
        table = TABLES[type(row)]
        session.execute(delete(table).where(table.c.id == row.id))
        write(session, row)


def _custom_fields(custom_fields: Any, *parent: str) -> Iterator[bytes]:
    """A value of any type is compared by its text, which for a text is itself."""
    for key, value in (custom_fields or {}).items():
        if value is not None:
            text = value if isinstance(value, str) else write_json(value)
            yield fact(*parent, "custom_fields", key, text)


def _models(model: Any, *parent: str) -> Iterator[bytes]:
    """A model is called by its reference, or by the name of an inline one at its endpoint."""
    names = [model]
    if isinstance(model, Mapping):
        names = [model.get("name"), (model.get("api_endpoint") or {}).get("model_id")]
    for name in names:
        if isinstance(name, str):
            yield fact(*parent, "model", name)
