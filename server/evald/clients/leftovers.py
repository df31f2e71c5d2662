"""The collections that jobs have in a Milvus server, so that none is left there."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

DROP_SECONDS = 60
"""How long it may take to drop what is left."""


class Leftovers:
    """A file in `folder` for each collection, called as it is, with the id of its job, from before
    the collection is made until it has been dropped.

    A child that uses the collection holds a lock on the file, which goes with its process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def using(self, collection: str, job_id: str) -> Iterator[None]:
        """Notes that a job is about to use a collection. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path(collection).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not file.tell():
                file.write(job_id)
                file.flush()
            yield

    def dropped(self, collection: str) -> None:
        """Forgets a collection that is no longer there."""
        self._path(collection).unlink(missing_ok=True)

    def idle(self) -> dict[str, str]:
        """The collections that no process uses, and the job of each."""
        found = {}
        for path in sorted(self._folder.glob("*")):
            with suppress(OSError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if job_id := file.read():
                    found[path.name] = job_id
        return found

    def _path(self, collection: str) -> Path:
        return self._folder / collection


class Dropper:
    """Drops collections of the Milvus server at `url`, if there is one. It does so in a process of
    its own: what talks to Milvus would take a hundred megabytes of the server's memory for good."""

    def __init__(self, url: str | None, leftovers: Leftovers) -> None:
        self._url = url
        self._leftovers = leftovers
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def idle(self) -> Mapping[str, str]:
        """The collections that no process uses, and the job of each."""
        return self._leftovers.idle() if self._url is not None else {}

    def drop(self, collections: Sequence[str]) -> dict[str, str]:
        """Answers why collections could not be dropped, of those that could not."""
        with self._lock:
            if self._closed:
                return dict.fromkeys(collections, "the server ends")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evald.clients.milvus"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        with self._process as process:
            try:
                asked = json.dumps({"url": self._url, "collections": list(collections)})
                said, _ = process.communicate(asked, timeout=DROP_SECONDS)
                failed: dict[str, str] = json.loads(said)
            except (subprocess.TimeoutExpired, ValueError, OSError):
                process.kill()
                failed = dict.fromkeys(collections, "what was to drop it died, or took too long")
        for collection in collections:
            if collection not in failed:
                self._leftovers.dropped(collection)
        return failed

    def close(self) -> None:
        """Ends what goes on; nothing is dropped any more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
