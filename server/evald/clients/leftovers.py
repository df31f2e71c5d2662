"""The collections that jobs have in a Milvus server, so that none is left there."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Timer
from typing import TextIO

COMMAND = (sys.executable, "-P", "-m", "evald.clients.milvus")

LOCK_SECONDS = 5.0
"""How long somebody may look at a note."""

SILENT_SECONDS = 60.0
"""How long what drops collections may take to tell of the next one."""


class Note:
    """Says that a process uses a collection."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file

    def end(self) -> bool:
        """Ends the use. Answers whether no other process uses the collection; then none begins to
        before the file is closed."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def forget(self) -> None:
        """The collection is no longer there. If the note stays, the server drops it once more."""
        with suppress(OSError):
            self._path.unlink()


class Leftovers:
    """A file in `folder` for each collection, called as it is, with the id of its job, from before
    the collection is made until it has been dropped.

    A child that uses the collection holds a lock on the file, which goes with its process. Files
    are opened to be read and written, since NFS wants that for a lock.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def using(self, collection: str, job_id: str) -> Iterator[Note]:
        """Notes that a job is about to use a collection. Raises OSError, also where the folder
        that has this one is not there: no server would look into it."""
        self._folder.mkdir(exist_ok=True)
        path = self._path(collection)
        with _shared(path) as file:
            if not file.tell():
                file.write(job_id)
                file.flush()
            yield Note(path, file)

    def dropped(self, collection: str) -> None:
        """Forgets a collection that is no longer there."""
        self._path(collection).unlink(missing_ok=True)

    def idle(self) -> dict[str, str]:
        """The collections that no process uses, and the job of each."""
        found = {}
        for path in sorted(self._folder.glob("*")):
            with suppress(OSError), path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if job_id := file.read():
                    found[path.name] = job_id
        return found

    def _path(self, collection: str) -> Path:
        return self._folder / collection


def _shared(path: Path) -> TextIO:
    """The file at `path`, locked together with others. Raises OSError, also when somebody keeps it
    locked, as a server does that was stopped while it looked."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        file = path.open("a+")
        try:
            _lock(file, until)
            if os.fstat(file.fileno()).st_nlink:  # else it was removed while this waited
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: TextIO, until: float) -> None:
    """Locks a file together with others. Raises OSError when it still cannot at `until`, by the
    monotonic clock."""
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)


class Dropper:
    """Drops collections of the Milvus server at `url`, if there is one. It does so in a process of
    its own: what talks to Milvus would take a hundred megabytes of the server's memory for good."""

    kind = "collections"

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
        """Answers why collections could not be dropped, of those that could not. One that was is
        forgotten at once, whatever becomes of the others."""
        with self._lock:
            if self._closed:
                return dict.fromkeys(collections, "the server ends")
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        asked = json.dumps({"url": self._url, "collections": list(collections)})
        failed = dict.fromkeys(collections, "what was to drop it died, or took too long")
        for collection, cause in _answers(self._process, asked):
            if cause is not None:
                failed[collection] = cause
            else:
                self._leftovers.dropped(collection)
                del failed[collection]
        return failed

    def close(self) -> None:
        """Ends what goes on; nothing is dropped any more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()


def _answers(process: subprocess.Popen[str], asked: str) -> Iterator[tuple[str, str | None]]:
    """What a process says of each collection, until it ends or is silent for too long. It is gone
    afterwards."""
    with suppress(OSError, ValueError), process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with _hurried(process):
                process.stdin.write(asked)
                process.stdin.close()
            while True:
                with _hurried(process):
                    line = process.stdout.readline()
                if not line:
                    return
                collection, cause = json.loads(line)
                yield collection, cause
        finally:
            process.kill()


@contextmanager
def _hurried(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kills a process if this takes too long."""
    timer = Timer(SILENT_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
