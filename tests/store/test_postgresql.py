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


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stops PostgreSQL's process at the other end of a connection. Nobody has much patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql, "SILENT_SECONDS", 2.0)
        patch.setattr(postgresql, "PING_SECONDS", 1.0)
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

        with ExitStack() as stack, pytest.raises(Unavailable, match=r"nothing for 2 s|broke") as e:
            write()
        assert isinstance(e.value, Uncertain) == commits
        assert read(store) == 1


def test_migrations_may_take_long(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(settings) as store:
        monkeypatch.setattr(postgresql, "SILENT_SECONDS", 0.5)
        with store.database.connect() as connection:
            connection.execute(text("select pg_sleep(1.5)"))
        with (
            pytest.raises(Unavailable, match="nothing for"),
            within(60),
            store.database.read() as session,
        ):
            session.execute(text("select pg_sleep(1.5)"))
