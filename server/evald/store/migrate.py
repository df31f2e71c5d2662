"""Brings the database's schema up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from evald.store.engine import Database

LOCK_KEY = 5170133


def migrate(database: Database) -> None:
    """Runs the migrations that the database lacks; servers that start at once take turns. Raises
    Unavailable."""
    with database.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"select pg_advisory_xact_lock({LOCK_KEY})"))
        command.upgrade(config(connection), "head")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database of the newest schema, as long as the block lasts. Raises Unavailable."""
    database = Database(url, pool_size=1)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def config(connection: Connection) -> Config:
    """Alembic's configuration for a connection."""
    alembic = Config()
    attributes: dict[str, Any] = alembic.attributes
    attributes["connection"] = connection
    alembic.set_main_option("script_location", str(files("evald.store") / "migrations"))
    alembic.set_main_option("path_separator", "os")
    return alembic
