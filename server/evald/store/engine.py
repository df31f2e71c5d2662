"""Opens the database, and sessions on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from evald.deadline import remaining
from evald.errors import InvalidArgument, ResourceExhausted, Unavailable, Uncertain
from evald.failpoints import failpoint
from evald.store.clock import steady_clock

PROGRAM_LIMIT = "54"
"""The class of PostgreSQL's states for what is too large for it, and always will be."""

MOST_SECONDS = 86_400.0
"""Of any limit, however long a caller would wait: PostgreSQL takes 24 days at most."""

WAIT_SECONDS = 30.0
"""How long a writer waits for others where no call's deadline says less."""

VANISHED = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 10,
    "keepalives_count": 2,
    "tcp_user_timeout": 30_000,
}
"""When PostgreSQL's machine counts as gone: in seconds, the last one in milliseconds. A parameter
in the URL goes before. A system's own limits are up to two hours, in which all threads would
wait."""

REST_SECONDS = 60
"""How long PostgreSQL may be left without a transaction's next statement, unless said otherwise, as
by a migration."""

END_SESSIONS = text(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = any(:names)"
    " and datname = current_database() and usename = current_user and pid <> pg_backend_pid()"
)


class Database:
    """An engine, and the two kinds of sessions on it.

    SQLite runs in WAL mode and takes its write lock at the beginning of a transaction, since a
    transaction that turns from reading to writing would fail instead of waiting; writers of this
    process queue on a lock of their own, which wakes them sooner than SQLite's sleeps.

    PostgreSQL ends a transaction whose writer has said nothing for `rest_seconds`: what a server
    has locked that is stopped in the middle of one would be kept from all others until it goes on.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 32,
        rest_seconds: float = REST_SECONDS,
        name: str = "evald",
    ) -> None:
        """`name` is what PostgreSQL knows the connections by."""
        try:
            parsed = make_url(url)
            backend = parsed.get_backend_name()
            parsed.get_dialect().import_dbapi()
        except (ArgumentError, NoSuchModuleError):
            raise Unavailable(
                "EVALD_DATABASE_URL is no URL of a database; one is "
                "postgresql+psycopg://user:password@host/name"
            ) from None
        except ModuleNotFoundError as e:
            raise Unavailable(
                f"EVALD_DATABASE_URL needs the package {e.name}; for PostgreSQL: pip install "
                "'evald[postgres]', and a URL that begins with postgresql+psycopg://"
            ) from None
        self.is_sqlite = backend == "sqlite"
        options: dict[str, Any] = {
            "json_serializer": write_json,
            "hide_parameters": True,  # errors are logged, and these are the callers' data
            "pool_size": pool_size,
            "max_overflow": 8,
            "pool_timeout": 10,
        }
        if self.is_sqlite:
            if parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            options["connect_args"] = {"check_same_thread": False, "timeout": 30}
        else:
            options["pool_pre_ping"] = True
            if parsed.get_driver_name().startswith("psycopg"):
                own = {**VANISHED, "application_name": _known_as(name)}
                options["connect_args"] = {k: v for k, v in own.items() if k not in parsed.query}
        self.engine: Engine = create_engine(parsed, **options)
        self._patient: Callable[[], AbstractContextManager[None]] = nullcontext
        if parsed.get_driver_name() == "psycopg":
            from evald.store import postgresql  # of the extra evald[postgres]

            self._patient = postgresql.patient

            event.listen(
                self.engine,
                "do_connect",
                lambda _, made, args, given: postgresql.Connection.connect(*args, **given),
            )
        if self.is_sqlite:
            clock = steady_clock()
            event.listen(self.engine, "connect", lambda made, _: _configure_sqlite(made, clock))
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writing = self.engine.execution_options(write=True)
        # SQLite has it so anyway.
        snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reading = self.engine.execution_options(**snapshot)
        self._write_lock = Lock()
        self._rest_seconds = rest_seconds

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads, on one snapshot."""
        with _told(), Session(self._reading, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self, step: str = "") -> Iterator[Session]:
        """A session whose work is committed at the end of the block, and undone by an exception.
        `step` names the failpoints before and after the commit."""
        with (
            _told(),
            self._turn(),
            Session(self._writing, expire_on_commit=False) as session,
        ):
            if not self.is_sqlite:
                self._limit(session)
            yield session
            session.flush()
            failpoint(f"{step}.before_commit")
            _commit(session)
        failpoint(f"{step}.after_commit")

    def _limit(self, session: Session) -> None:
        """Says how long PostgreSQL works at a statement of this transaction, and waits for one."""
        session.execute(
            _set_locally(
                statement_timeout=min(WAIT_SECONDS, remaining(WAIT_SECONDS)),
                idle_in_transaction_session_timeout=self._rest_seconds,
            )
        )

    def lock(self, session: Session, kind: int, name: str) -> None:
        """Keeps others off what has a name, among what is of a kind, until the session ends.
        SQLite has one writer at a time anyway."""
        if not self.is_sqlite:
            session.execute(select(func.pg_advisory_xact_lock(kind, func.hashtext(name))))

    def end_sessions(self, names: Collection[str]) -> None:
        """Ends the connections of these names to PostgreSQL, and with them what they have locked:
        while one reads a large row or is sent one, no time limit of PostgreSQL's ends it."""
        if self.is_sqlite or not names:
            return
        with self.read() as session:
            session.execute(END_SESSIONS, {"names": [_known_as(name) for name in names]})

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for a change of the schema, committed at the end of the block."""
        with _told(), self._patient(), self._writing.begin() as connection:
            if not self.is_sqlite:  # all other servers wait, should this one stop
                connection.execute(_set_locally(idle_in_transaction_session_timeout=REST_SECONDS))
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """This writer's turn, on SQLite; PostgreSQL orders writers by itself."""
        if not self.is_sqlite:
            yield
            return
        if not self._write_lock.acquire(timeout=remaining(WAIT_SECONDS)):
            remaining(0)
            raise Unavailable("other writers keep the database busy")
        try:
            yield
        finally:
            self._write_lock.release()

    def close(self) -> None:
        self.engine.dispose()


def _known_as(name: str) -> str:
    """A name as PostgreSQL keeps it; its end tells servers apart."""
    return name[-63:]


def _set_locally(**seconds: float) -> Select[Any]:
    """Sets times of PostgreSQL's for the transaction."""
    return select(
        *(
            func.set_config(name, str(max(1, int(min(value, MOST_SECONDS) * 1000))), True)
            for name, value in seconds.items()
        )
    )


def write_json(value: Any) -> str:
    """The JSON of a value as its columns hold it, which is what searches see: compact, and with no
    more escapes than it needs."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, separators=(",", ":"))
    return text


def _commit(session: Session) -> None:
    """Raises Uncertain when nobody knows whether the database has heard of it."""
    try:
        session.commit()
    except DBAPIError as e:
        if e.connection_invalidated:
            raise Uncertain(
                "the connection to the database broke while this was stored; look whether it is "
                "there before you send it again"
            ) from e
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Turns what a user can do something about into errors that say so."""
    try:
        yield
    except PoolTimeout as e:
        raise Unavailable("all connections to the database are busy") from e
    except DBAPIError as e:
        cause = str(e.orig).lower()
        if "disk is full" in cause or "no space left" in cause:
            raise ResourceExhausted("the database's disk is full; free some space") from e
        if str(getattr(e.orig, "sqlstate", None) or "").startswith(PROGRAM_LIMIT):
            raise InvalidArgument("a text is too long for the indexes of the database") from e
        if isinstance(e, OperationalError) or e.connection_invalidated:
            raise Unavailable(f"the database cannot be used now: {str(e.orig).strip()}") from e
        raise


def _configure_sqlite(connection: Any, clock: Callable[[], float]) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    # its own `lower` knows ASCII only
    connection.create_function("unicode_lower", 1, lambda t: t and t.lower(), deterministic=True)
    connection.create_function("real_text", 1, json.dumps, deterministic=True)
    connection.create_function("steady_epoch", 0, clock)


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
