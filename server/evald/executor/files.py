"""The files of jobs, as users download and delete them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from evald.domain.states import FINAL
from evald.errors import Conflict, NotFound
from evald.executor.runs import LOG_PATH, Runs


class JobReader(Protocol):
    """Looks jobs up."""

    def status(self, job_id: str) -> Mapping[str, Any]:
        """Raises NotFound."""


class Archives(Protocol):
    """Where the files of ended jobs are kept."""

    def zip_stream(self, job_id: str, under: str = "") -> Iterator[bytes]:
        """A ZIP of the files of a job, or of those under a folder. Raises NotFound."""

    def delete(self, job_id: str) -> None: ...


class JobFiles:
    """The files of jobs. While a job runs, its log is in a folder of its own.

    `zipped` makes a ZIP of the named files of a folder.
    """

    def __init__(
        self,
        jobs: JobReader,
        archives: Archives,
        runs: Runs,
        zipped: Callable[[Path, Sequence[str]], Iterator[bytes]],
    ) -> None:
        self._jobs = jobs
        self._archives = archives
        self._runs = runs
        self._zipped = zipped

    def results(self, job_id: str) -> Iterator[bytes]:
        """All files of a job that has ended, as a ZIP. Raises NotFound or Conflict."""
        status = self._jobs.status(job_id)["status"]
        if status not in FINAL:
            raise Conflict(f"job {job_id!r} is {status}; its files are there once it has ended")
        try:
            return self._archives.zip_stream(job_id)
        except NotFound:
            # Its last server died while it ran, so nobody has published its files.
            if (log := self._log(job_id)) is None:
                raise
            return log

    def logs(self, job_id: str) -> Iterator[bytes]:
        """The logs of a job so far, as a ZIP. Raises NotFound."""
        self._jobs.status(job_id)
        return self._log(job_id) or self._archives.zip_stream(job_id, "logs")

    def _log(self, job_id: str) -> Iterator[bytes] | None:
        """The log of the last attempt, which has not published it."""
        folder = self._runs.log(job_id)
        return self._zipped(folder, [LOG_PATH]) if folder else None

    def delete(self, job_id: str) -> None:
        """Deletes all files of a job."""
        self._runs.delete(job_id)
        self._archives.delete(job_id)
