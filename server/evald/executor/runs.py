"""The folders that attempts run in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from evald.errors import LeaseLost

LOG_PATH = "logs/job.log"
"""Where a job's log is in its folder."""

LEFT = "left-"
"""How the names of folders begin that are being deleted."""

CLEAR_SECONDS = 600.0
"""How often is looked for what jobs have left."""


class Runs:
    """A folder for each attempt, `<job id>/<attempt>` below `root`, which servers may share.

    An attempt renames the folder of the one before, to go on with what is there. A server that was
    stopped meanwhile, and goes on with its own attempt, finds nothing that it could spoil.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def take(self, job_id: str, attempt: int) -> Path:
        """The folder of an attempt that begins. Raises LeaseLost when a later one has begun."""
        folder = self._root / job_id
        own = folder / str(attempt)
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                for number in reversed(_attempts(folder)):
                    if number > attempt:
                        raise LeaseLost(f"attempt {number} of job {job_id} has begun")
                    if number < attempt and not own.exists():
                        (folder / str(number)).rename(own)
                    elif number < attempt:
                        shutil.rmtree(folder / str(number), ignore_errors=True)
                own.mkdir(exist_ok=True)
            except FileNotFoundError:
                continue  # an attempt that was overtaken has left just now
            return own

    def leave(self, job_id: str, attempt: int) -> None:
        """Deletes the folder of an attempt, unless another attempt has it by now."""
        folder = self._root / job_id
        with suppress(OSError), TemporaryDirectory(prefix=LEFT, dir=folder) as left:
            # While it is deleted nobody may take it.
            (folder / str(attempt)).rename(Path(left, "run"))
        with suppress(OSError):  # another attempt's is there, or none
            folder.rmdir()

    def log(self, job_id: str) -> Path | None:
        """The folder with the log of a job's last attempt; None when there is none."""
        folder = self._root / job_id
        for attempt in reversed(_attempts(folder)):
            if (folder / str(attempt) / LOG_PATH).exists():
                return folder / str(attempt)
        return None

    def jobs(self) -> list[str]:
        """The jobs that have left more than a log."""
        with suppress(OSError):
            return [folder.name for folder in self._root.iterdir() if any(self._spare(folder.name))]
        return []

    def clear(self, job_id: str) -> bool:
        """Deletes what the attempts of a job that has ended have left, but for the log. Answers
        whether all of it is gone."""
        for path in list(self._spare(job_id)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):  # the log is there
            (self._root / job_id).rmdir()
        return not any(self._spare(job_id))

    def _spare(self, job_id: str) -> Iterator[Path]:
        with suppress(OSError):  # it is no folder, or an attempt has left just now
            last = self.log(job_id)
            for path in (self._root / job_id).iterdir():
                if path == last:
                    yield from (p for p in path.iterdir() if p.name != Path(LOG_PATH).parts[0])
                elif path.name.isdecimal() or path.name.startswith(LEFT):
                    yield path

    def delete(self, job_id: str) -> None:
        """Deletes what all attempts of a job have left."""
        shutil.rmtree(self._root / job_id, ignore_errors=True)


def _attempts(folder: Path) -> list[int]:
    """Those that have a folder there, in order."""
    try:
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
    except FileNotFoundError:
        return []


class Clearer:
    """Clears folders of jobs that ended when no attempt had them, as by a cancel between two."""

    kind = "folders"

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._closing = Event()

    def idle(self) -> Mapping[str, str]:
        """The jobs that have left something, by themselves; those that run are among them."""
        return {job_id: job_id for job_id in self._runs.jobs()}

    def drop(self, names: Sequence[str]) -> Mapping[str, str]:
        """Clears the folders of jobs. Answers why some have something left."""
        return {
            job_id: "not all could be deleted"
            for job_id in names
            if self._closing.is_set() or not self._runs.clear(job_id)
        }

    def close(self) -> None:
        """Has it end after the job that it is at."""
        self._closing.set()
