"""Where a running flow says what it does: events, gathered and written to the server's pipe."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from threading import Condition, Thread
from typing import Any

import orjson

from evald.domain.attempts import StoredSample
from evald.executor.events import (
    Event,
    Log,
    Progress,
    Samples,
    Task,
    encode,
    to_json,
)
from evald.flows.flow import SampleRecord

BATCH_SAMPLES = 100
BATCH_BYTES = 2**20
BATCH_SECONDS = 0.1
"""A batch is written when it has so many samples or bytes, or when its first sample is so old."""

TEXT_LIMIT = 8 * 2**20
"""Bytes that the row, or the answer, of one sample may have; the server reads bounded lines."""

MESSAGE_LIMIT = 8 * 2**10
"""Characters of one log message that are kept."""


class Emitter:
    """The Emit of one attempt. Any thread of the child may call it.

    Samples and progress are gathered; everything else goes out at once, after what was gathered.
    After `close`, what leftover threads of the flow say is dropped. `redact` cleans what people
    read: log messages, and those values of samples in which one of `secrets` stands. Other values
    are data, and stay as they are even if they look like a secret.
    """

    def __init__(
        self, fd: int, redact: Callable[[str], str] = str, secrets: Iterable[str] = ()
    ) -> None:
        self._fd = fd
        self._redact = redact
        self._secrets = [to_json(secret).decode()[1:-1] for secret in secrets if secret]
        self._batch: list[StoredSample] = []
        self._bytes = 0
        self._progress: Progress | None = None
        self._news = Condition()
        self._closed = False
        self._flusher = Thread(target=self._flush_late, name="flusher", daemon=True)
        self._flusher.start()

    def sample(self, record: SampleRecord) -> None:
        text = StoredSample(
            task=record.task,
            index=record.index,
            item=self._json(record.item),
            sample=self._json(record.sample) if record.sample is not None else None,
            scores=to_json(record.scores).decode(),
            parts=to_json(record.parts).decode() if record.parts else None,
            error=self._json(record.error) if record.error is not None else None,
        )
        with self._news:
            self._batch.append(text)
            self._bytes += len(text.item) + len(text.sample or "")
            if len(self._batch) >= BATCH_SAMPLES or self._bytes >= BATCH_BYTES:
                self._flush()
            elif len(self._batch) == 1:
                self._news.notify()

    def progress(self, processed: int, total: int | None, others: int = 0) -> None:
        with self._news:
            self._progress = Progress(processed, total, others)
            self._news.notify()

    def task(self, name: str, status: str) -> None:
        self._say(Task(name, status))

    def log(self, level: str, message: str) -> None:
        self._say(Log(time.time(), level, self._redact(message)[:MESSAGE_LIMIT]))

    def flush(self) -> None:
        """Writes what is gathered."""
        with self._news:
            self._flush()

    def close(self, last: Event | None = None) -> None:
        """Writes what is gathered, then the last event, and nothing after it."""
        with self._news:
            self._flush()
            if last is not None and not self._closed:
                self._write(encode(last))
            self._closed = True
            self._news.notify()
        self._flusher.join()

    def _say(self, event: Event) -> None:
        with self._news:
            self._flush()
            if not self._closed:
                self._write(encode(event))

    def _flush(self) -> None:
        if self._closed:
            return
        lines = b""
        if self._batch:
            lines += encode(Samples(self._batch))
        if self._progress is not None:
            lines += encode(self._progress)
        self._batch, self._bytes, self._progress = [], 0, None
        if lines:
            self._write(lines)

    def _flush_late(self) -> None:
        with self._news:
            while not self._closed:
                if not self._batch and self._progress is None:
                    self._news.wait()
                else:
                    self._news.wait_for(lambda: self._closed, BATCH_SECONDS)
                    self._flush()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def _json(self, value: Any) -> str:
        text = to_json(value).decode()
        if any(secret in text for secret in self._secrets):
            text = to_json(self._without_secrets(orjson.loads(text))).decode()
        if len(text) > TEXT_LIMIT:
            return to_json({"left_out": f"{len(text)} bytes are too many to keep"}).decode()
        return text

    def _without_secrets(self, value: Any) -> Any:
        """Cleaned value by value, so that the text of it stays JSON."""
        if isinstance(value, str):
            found = any(secret in to_json(value).decode() for secret in self._secrets)
            return self._redact(value) if found else value
        if isinstance(value, dict):
            return {self._without_secrets(k): self._without_secrets(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._without_secrets(v) for v in value]
        return value
