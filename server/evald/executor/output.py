"""What a job leaves behind: its log while it runs, and its files at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

import orjson

from evald.domain.attempts import Fence, SampleLog, StoredSample
from evald.executor.runs import LOG_PATH, Runs
from evald.failpoints import failpoint

LOG_LIMIT = 16 * 2**20
"""Bytes of a job's log; what comes later is left out, which its last line says."""

FULL = "the log is full; later lines are left out"


class Artifacts(Protocol):
    """Where the files of jobs are kept."""

    def url(self, job_id: str) -> str: ...

    def writer(self, job_id: str, check: Callable[[], None] = ...) -> AbstractContextManager[Path]:
        """A folder to write into; what is there at the end of the block is published. `check` is
        called before that and after; when it raises, what was published before stays."""


class Output:
    """The output of an attempt. `documents` are written as they are, so secrets must be masked."""

    def __init__(
        self,
        fence: Fence,
        runs: Runs,
        artifacts: Artifacts,
        documents: Mapping[str, Mapping[str, Any]],
        redact: Callable[[str], str],
    ) -> None:
        self._job_id = fence.job_id
        self._attempt = fence.attempt
        self._runs = runs
        self._artifacts = artifacts
        self._documents = documents
        self._redact = redact
        self.folder: Path
        """The attempt's own; there is none before `open`."""
        self.published = False
        self._log: FileIO | None = None

    def open(self) -> None:
        """Takes the attempt's folder, and goes on with the log that is there. Raises LeaseLost."""
        self.folder = self._runs.take(self._job_id, self._attempt)
        path = self.folder / LOG_PATH
        path.parent.mkdir(exist_ok=True)
        self._log = path.open("ab", buffering=0)

    def log(self, at: float, level: str, message: str) -> None:
        """Adds a line to the job's log, if that is open. What the disk has no room for is left out.
        `at` is in seconds since 1970."""
        file = self._log
        line = log_line(at, level, self._redact(message)).encode()
        if file is not None and file.tell() <= LOG_LIMIT:
            if file.tell() + len(line) > LOG_LIMIT:
                line = log_line(at, "warning", FULL).encode()
                line = line.ljust(LOG_LIMIT + 1 - file.tell())
            with suppress(OSError):
                file.write(line)

    def keep(self, samples: SampleLog) -> Path | None:
        """Writes what earlier attempts have scored for the next one to skip, if there is any."""
        count = samples.count(self._job_id)
        if not count:
            return None
        path = self.folder / "kept.jsonl"
        with path.open("wb") as file:
            for sample in samples.read(self._job_id):
                file.write(kept_line(sample))
        self.log(datetime.now(UTC).timestamp(), "info", f"resumed: {count} samples were kept")
        return path

    def publish(
        self,
        samples: SampleLog,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Writes the job's files and publishes them. `check` is called before that and after; when
        it raises, what was published before stays, or comes back."""
        with self._artifacts.writer(self._job_id, check) as folder:
            for name, document in {
                **self._documents,
                **({"result": result} if result is not None else {}),
                **({"error": error} if error is not None else {}),
            }.items():
                text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
                (folder / f"{name}.json").write_bytes(text)
            with (folder / "results.json").open("wb") as file:
                for part in results_json(samples.read(self._job_id)):
                    file.write(part)
            (folder / LOG_PATH).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.folder / LOG_PATH, folder / LOG_PATH)
            failpoint("publish.before_commit")
        failpoint("publish.after_commit")
        self.published = True

    def leave(self) -> None:
        """Deletes the attempt's folder, which nobody needs once the job has ended."""
        self._runs.leave(self._job_id, self._attempt)

    def close(self) -> None:
        """Closes the log."""
        if self._log is not None:
            self._log.close()


def log_line(at: float, level: str, message: str) -> str:
    """A line of a log. `at` is in seconds since 1970."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return f"{moment} {level.upper()} {message}\n"


def kept_line(sample: StoredSample) -> bytes:
    """A scored sample as the next attempt reads it."""
    return (
        f'{{"task":{orjson.dumps(sample.task).decode()},"index":{sample.index},'
        f'"scores":{sample.scores},"parts":{sample.parts or "{}"},'
        f'"error":{sample.error or "null"},"sample":{sample.sample or "null"}}}\n'
    ).encode()


def results_json(samples: Iterator[StoredSample]) -> Iterator[bytes]:
    """Parts of results.json: `{task: [{"item", "sample", "metrics"}, ...]}`.

    A sample that could not be evaluated has no metrics and says why under `error`.
    """
    yield b"{"
    task: str | None = None
    for sample in samples:
        if sample.task != task:
            yield (b"" if task is None else b"],") + orjson.dumps(sample.task) + b":["
        else:
            yield b","
        task = sample.task
        metrics = {
            metric: {"scores": {n: {"value": v, "stats": None} for n, v in scores.items()}}
            for metric, scores in orjson.loads(sample.scores).items()
        }
        error = f',"error":{sample.error}' if sample.error else ""
        yield (
            f'{{"item":{sample.item},"sample":{sample.sample or "null"},'
            f'"metrics":{orjson.dumps(metrics).decode()}{error}}}'
        ).encode()
    yield b"}" if task is None else b"]}"
