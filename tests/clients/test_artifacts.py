"""The files of jobs: published at once, kept here, streamed as ZIP."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import threading
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evald.clients.artifacts import ArtifactStore
from evald.clients.datasets import FileDatasets
from evald.errors import InvalidArgument, LeaseLost, NotFound
from evald.settings import ClientSettings
from tests.clients.hub import serving

JOB = "eval-3xAmPLe"


@pytest.fixture
def artifacts(settings: ClientSettings) -> ArtifactStore:
    return ArtifactStore(settings)


def write(artifacts: ArtifactStore, **files: str) -> None:
    with artifacts.writer(JOB) as folder:
        (folder / "logs").mkdir()
        for name, text in files.items():
            path = folder / name.replace("__", "/").replace("_", ".")
            path.write_text(text)


def unzipped(artifacts: ArtifactStore, under: str = "") -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(artifacts.zip_stream(JOB, under)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_files_are_published(artifacts: ArtifactStore, settings: ClientSettings) -> None:
    assert artifacts.url(JOB) == f"hf://datasets/evaluation-results/{JOB}"
    assert artifacts.files(JOB) == []
    write(artifacts, results_json='{"t": []}', logs__job_log="line\n", empty_txt="")
    assert artifacts.files(JOB) == ["empty.txt", "logs/job.log", "results.json"]
    whole = {"empty.txt": b"", "logs/job.log": b"line\n", "results.json": b'{"t": []}'}
    assert unzipped(artifacts) == whole
    assert unzipped(artifacts, "logs") == {"logs/job.log": b"line\n"}
    url = f"{artifacts.url(JOB)}/results.json"
    assert list(FileDatasets(settings).rows({"files_url": url})) == [{"t": []}]


def test_publishing_again_replaces_and_failing_changes_nothing(artifacts: ArtifactStore) -> None:
    write(artifacts, a_txt="1")
    write(artifacts, b_txt="2")
    assert unzipped(artifacts) == {"b.txt": b"2"}
    with pytest.raises(FileNotFoundError), artifacts.writer(JOB) as folder:
        (folder / "no" / "c.txt").write_text("3")
    assert unzipped(artifacts) == {"b.txt": b"2"}
    assert [p.name for p in artifacts._folder(JOB).parent.iterdir()] == [JOB]


@pytest.mark.parametrize("at", [1, 2, None])
def test_what_another_server_published_stays(artifacts: ArtifactStore, at: int | None) -> None:
    """This one was stopped after it had found that the job is its own, or when it had published."""
    calls = itertools.count(1)

    def check() -> None:
        call = next(calls)
        if call == at:
            write(artifacts, b_txt="2")
        if call == 2:
            raise LeaseLost("overtaken")

    with pytest.raises(LeaseLost), artifacts.writer(JOB, check) as folder:
        (folder / "a.txt").write_text("1")
    assert artifacts.files(JOB) == (["b.txt"] if at else [])
    assert len(list(artifacts._folder(JOB).parent.iterdir())) == (1 if at else 0)


def test_delete(artifacts: ArtifactStore) -> None:
    write(artifacts, a_txt="1")
    artifacts.delete(JOB)
    artifacts.delete(JOB)
    assert artifacts.files(JOB) == []
    assert list(artifacts._folder(JOB).parent.iterdir()) == []
    with pytest.raises(NotFound, match="has left no files"):
        artifacts.zip_stream(JOB)


def test_files_that_are_deleted_while_they_are_sent(artifacts: ArtifactStore) -> None:
    write(artifacts, a_txt="1")
    parts = artifacts.zip_stream(JOB)
    artifacts.delete(JOB)
    with pytest.raises(NotFound, match=r"a\.txt was deleted .* try again"):
        list(parts)


def test_files_of_a_job_that_is_deleted_meanwhile(artifacts: ArtifactStore) -> None:
    folder = artifacts._folder(JOB)
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            (folder / "logs").mkdir(parents=True)
            shutil.rmtree(folder)

    with ThreadPoolExecutor(1) as other:
        going = other.submit(come_and_go)
        try:
            seen = [artifacts.files(JOB) for _ in range(2000)]
        finally:
            over.set()
    going.result()
    assert not any(seen)


def test_nothing_below_a_folder(artifacts: ArtifactStore) -> None:
    write(artifacts, logsx_txt="1")
    with pytest.raises(NotFound, match="in logs"):
        artifacts.zip_stream(JOB, "logs")


@pytest.mark.parametrize("job", ["", "..", "../x", "a/b", "/etc", ".x", "a\0b"])
def test_odd_ids(artifacts: ArtifactStore, job: str) -> None:
    for call in (artifacts.files, artifacts.zip_stream, artifacts.delete):
        with pytest.raises(InvalidArgument):
            call(job)


def test_a_large_archive_takes_little_memory(artifacts: ArtifactStore) -> None:
    block = os.urandom(2**20)
    with artifacts.writer(JOB) as folder, (folder / "large.bin").open("wb") as file:
        for _ in range(24):
            file.write(block)
    tracemalloc.start()
    total = 0
    for part in artifacts.zip_stream(JOB):
        assert 0 < len(part) <= 2**16
        total += len(part)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total > 24 * 2**20
    assert peak < 2**20


def test_files_go_to_the_data_store_too(settings: ClientSettings) -> None:
    with serving() as hub:
        artifacts = ArtifactStore(settings.model_copy(update={"data_store_url": hub.url}))
        write(artifacts, results_json="{}", logs__job_log="line\n")
        stored = hub.repos[f"evaluation-results/{JOB}"]
        assert stored == {"results.json": b"{}", "logs/job.log": b"line\n"}
        assert set(unzipped(artifacts)) == set(stored)
        artifacts.delete(JOB)
        assert hub.repos == {}


def test_a_data_store_that_is_away_fails_no_job(
    settings: ClientSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    away = settings.model_copy(update={"data_store_url": "http://127.0.0.1:1/v1/hf"})
    artifacts = ArtifactStore(away)
    write(artifacts, a_txt="1")
    assert unzipped(artifacts) == {"a.txt": b"1"}
    artifacts.delete(JOB)
    assert artifacts.files(JOB) == []
