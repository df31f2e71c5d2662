"""A PostgreSQL that takes what it is sent, and says nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from evald.deadline import within
from evald.errors import Unavailable, Uncertain
from evald.settings import Settings
from evald.store import postgresql
from evald.store.store import Store
from tests.store.conftest import fresh, opened

PID = text("select pg_backend_pid()")


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with fresh("postgresql", request, tmp_path) as settings:
        yield settings


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "SILENT_SECONDS", 1.0)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stops PostgreSQL's process at the other end of a connection."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(store: Store) -> int:
    """Of the connection that is used next."""
    with store.database.read() as session:
        return int(session.execute(PID).scalar_one())


def read(store: Store) -> Any:
    with store.database.read() as session:
        return session.execute(text("select 1")).scalar()


def write(store: Store) -> Any:
    with store.database.write() as session:
        return session.execute(text("select 1")).scalar()


@pytest.mark.parametrize("use", [read, write])
def test_one_that_hangs_is_given_up(settings: Settings, use: Callable[[Store], Any]) -> None:
    with opened(settings) as store, frozen(pid_of(store)):
        began = time.monotonic()
        # The connection is looked at before it is used, and a new one is made.
        assert use(store) == 1
        assert 1 < time.monotonic() - began < 10


@pytest.mark.parametrize("commits", [False, True], ids=["statement", "commit"])
def test_one_that_hangs_in_a_write(settings: Settings, commits: bool) -> None:
    with opened(settings) as store:

        def write() -> None:
            with store.database.write() as session:
                pid = int(session.execute(PID).scalar_one())
                stack.enter_context(frozen(pid))
                if not commits:
                    session.execute(text("select 1"))

        with ExitStack() as stack, pytest.raises(Unavailable, match=r"nothing for 1 s|broke") as e:
            write()
        assert isinstance(e.value, Uncertain) == commits
        assert read(store) == 1


def test_a_call_with_more_time_waits_longer(settings: Settings) -> None:
    with opened(settings) as store, within(5), store.database.read() as session:
        assert session.execute(text("select pg_sleep(2)")).first() is not None


def test_migrations_may_take_long(settings: Settings) -> None:
    with opened(settings) as store, store.database.connect() as connection:
        connection.execute(text("select pg_sleep(2)"))
