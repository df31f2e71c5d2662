"""Who this server is: a name that survives restarts, held by one process at a time."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from evald.errors import Unavailable


class Worker:
    """The identity of a server on a data dir.

    The name is kept in the data dir, so that a server that starts again knows the jobs that it was
    running. A file lock holds it; that goes with the process. `alone` keeps a second server off the
    folder; else each takes the first name that nobody holds.
    """

    def __init__(self, data_dir: Path, *, alone: bool = True) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = _held(data_dir, alone=alone)
        self._file.seek(0)
        self.name = self._file.read().strip()
        if not self.name:
            self.name = f"{socket.gethostname()}-{uuid4().hex[:12]}"
            self._file.write(self.name)
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def _held(data_dir: Path, *, alone: bool) -> TextIO:
    """The file of a name, locked: `worker`, or a `worker-2` and so on. Raises Unavailable."""
    number = 1
    while True:
        file = (data_dir / ("worker" if number == 1 else f"worker-{number}")).open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            file.close()
            if alone or not isinstance(e, BlockingIOError):
                raise Unavailable(
                    f"another evald runs on {data_dir}; stop it, choose another --data-dir, or let "
                    "both use one PostgreSQL (EVALD_DATABASE_URL)"
                ) from e
            number += 1
        else:
            return file
