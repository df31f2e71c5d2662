"""The events of a run, gathered into larger pieces."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition, Thread

from evald.executor import events
from evald.executor.backend import Run

PIECE_BYTES = 2**20
"""About how much is sent at once."""


class Gathered:
    """The events of a run as pieces of lines: what is said while one is under way is the next."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lines: list[bytes] = []
        self._size = 0
        self._over = False
        self._death: BaseException | None = None
        self._news = Condition()

    def __iter__(self) -> Iterator[bytes]:
        """Raises ChildDied after the last piece when the run does. Its end is the run's."""
        reader = Thread(target=self._read, name="reader")
        reader.start()
        try:
            while piece := self._take():
                yield piece
            if self._death is not None:
                raise self._death
        finally:
            self._run.stop(0)
            with self._news:
                self._over = True
                self._news.notify_all()
            reader.join()

    def _take(self) -> bytes:
        with self._news:
            self._news.wait_for(lambda: self._lines or self._over)
            piece = b"".join(self._lines)
            self._lines, self._size = [], 0
            self._news.notify_all()
            return piece

    def _read(self) -> None:
        try:
            for event in self._run.events():
                self._add(events.encode(event))
        except BaseException as e:
            self._death = e
        with self._news:
            self._over = True
            self._news.notify_all()

    def _add(self, said: bytes) -> None:
        with self._news:
            self._news.wait_for(lambda: self._size < PIECE_BYTES or self._over)
            self._lines.append(said)
            self._size += len(said)
            self._news.notify_all()
