"""The files that jobs leave behind: `hf://datasets/evaluation-results/<job id>`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from evald.clients.archive import zipped
from evald.clients.egress import Egress
from evald.clients.embedded import SCHEME, folder_of, remove, staged
from evald.clients.hub import Hub
from evald.errors import EvaluationError, NotFound
from evald.settings import ClientSettings

NAMESPACE = "evaluation-results"

log = structlog.get_logger()


class ArtifactStore:
    """Keeps the files of each job in the embedded store, and with EVALD_DATA_STORE_URL there too.

    The copy here is what downloads come from, so they work while the data store is away.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._egress = Egress(settings.egress)

    def url(self, job_id: str) -> str:
        """Where the files of a job are, for `files_url`."""
        return f"{SCHEME}{NAMESPACE}/{job_id}"

    @contextmanager
    def writer(self, job_id: str, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """A folder to write into. At the end of the block its files are the job's files, all at
        once and in place of earlier ones; when the block raises, nothing has changed.

        Nor has it when `check` raises, which is called right before that, and right after, since
        this server may be stopped in between, for so long that the job is another's.
        """
        folder = self._folder(job_id)
        with staged(folder.parent) as staging:
            fresh = staging / "fresh"
            fresh.mkdir()
            yield fresh
            check()
            own = fresh.stat().st_ino
            with suppress(FileNotFoundError):
                folder.replace(staging / "old")
            fresh.replace(folder)
            try:
                check()
            except BaseException:
                _take_back(folder, own, staging)
                raise
        self._upload(job_id)

    def files(self, job_id: str) -> list[str]:
        """Paths of a job's files inside its folder, in order; none if it has left none."""
        folder = self._folder(job_id)
        # Unlike rglob, walk skips folders that are deleted under its feet.
        return sorted(
            str(Path(at, name).relative_to(folder))
            for at, _, names in os.walk(folder)
            for name in names
        )

    def zip_stream(self, job_id: str, under: str = "") -> Iterator[bytes]:
        """A ZIP of a job's files, or of those below the folder `under`, in parts of at most 64 KiB
        that are made as they are asked for. Raises NotFound, at once, when there is none."""
        below = f"{under.strip('/')}/" if under else ""
        names = [name for name in self.files(job_id) if name.startswith(below)]
        if not names:
            raise NotFound(f"job {job_id!r} has left no files" + (f" in {under}" if under else ""))
        return zipped(self._folder(job_id), names)

    def delete(self, job_id: str) -> None:
        """Deletes the files of a job, if there are any."""
        folder = self._folder(job_id)
        if folder.is_dir():
            remove(folder)
        if hub := self._hub():
            try:
                hub.delete(f"{NAMESPACE}/{job_id}")
            except EvaluationError as e:
                log.warning("artifacts not deleted", url=self.url(job_id), cause=e.message)

    def _upload(self, job_id: str) -> None:
        """A data store that is away must not fail a job whose results are safe here."""
        try:
            if hub := self._hub():
                hub.upload(f"{NAMESPACE}/{job_id}", self._folder(job_id))
        except EvaluationError as e:
            log.warning("artifacts not uploaded", url=self.url(job_id), cause=e.message)

    def _hub(self) -> Hub | None:
        url = self._settings.data_store_url
        if not url:
            return None
        cache = self._settings.data_dir / "cache" / "hub"
        return Hub(url, self._egress, cache, token=None, trusted=True)

    def _folder(self, job_id: str) -> Path:
        return folder_of(self._settings.data_dir, f"{NAMESPACE}/{job_id}")


def _take_back(folder: Path, own: int, staging: Path) -> None:
    """Undoes a publication, unless another one has followed it: then `folder` is not the one with
    the inode `own`."""
    with suppress(OSError):
        folder.replace(staging / "new")
        before = "old" if (staging / "new").stat().st_ino == own else "new"
        (staging / before).replace(folder)
