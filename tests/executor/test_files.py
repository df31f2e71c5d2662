"""The files of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from evald.errors import NotFound
from evald.executor.files import JobFiles
from evald.executor.runs import LOG_PATH, Runs


class Jobs:
    """One job that has failed."""

    def status(self, job_id: str) -> dict[str, str]:
        return {"status": "failed"}


class NoArchives:
    """Nobody has published anything."""

    def zip_stream(self, job_id: str, under: str = "") -> Iterator[bytes]:
        raise NotFound("none")

    def delete(self, job_id: str) -> None: ...


def zipped(folder: Path, names: Sequence[str]) -> Iterator[bytes]:
    for name in names:
        yield (folder / name).read_bytes()


def test_a_job_whose_last_server_died_has_its_log(tmp_path: Path) -> None:
    files = JobFiles(Jobs(), NoArchives(), Runs(tmp_path), zipped)
    with pytest.raises(NotFound):
        files.results("eval-1")
    log = tmp_path / "eval-1" / "1" / LOG_PATH
    log.parent.mkdir(parents=True)
    log.write_text("attempt 1 started\n")
    assert b"".join(files.results("eval-1")) == b"attempt 1 started\n"
