"""Who this server is: a name that survives restarts, held by one process at a time."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from uuid import uuid4

from evald.errors import Unavailable


class Worker:
    """The identity of the server on a data dir.

    The name is kept in the data dir, so that a server that starts again knows the jobs that it was
    running. A file lock keeps a second server off the same folder; it goes with the process.
    """

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (data_dir / "worker").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            self._lock.close()
            raise Unavailable(
                f"another evald runs on {data_dir}; stop it, or choose another --data-dir"
            ) from e
        self._lock.seek(0)
        self.name = self._lock.read().strip()
        if not self.name:
            self.name = f"{socket.gethostname()}-{uuid4().hex[:12]}"
            self._lock.write(self.name)
            self._lock.flush()

    def close(self) -> None:
        self._lock.close()
