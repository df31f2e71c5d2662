"""What a child prints, as lines of the job's log."""

from __future__ import annotations

import time
from collections.abc import Iterator

from evald.executor.events import Log

OUTPUT_LIMIT = 2**20
"""Bytes of a job's printed output that are kept."""

LINE_LIMIT = 8 * 2**10
"""Bytes of one printed line that are kept."""

LINE_COST = 64
"""What a line counts beside its bytes, so that the number of lines is bounded too."""


class Printed:
    """Turns pieces of printed output into log lines, and bounds them: a child may print for ever.

    Of a line that overwrites itself, as progress bars do, the last state is kept.
    """

    def __init__(self) -> None:
        self._left = OUTPUT_LIMIT
        self._line = b""
        self._cut = False
        self.size = 0
        """Bytes printed so far."""

    def feed(self, data: bytes) -> Iterator[Log]:
        """The lines that end in this piece."""
        self.size += len(data)
        *ended, rest = data.split(b"\n") if self._left > 0 else [b""]
        for part in ended:
            self._add(part)
            yield from self._end()
        self._add(rest)

    def close(self) -> Iterator[Log]:
        """The last line, if it has no end."""
        yield from self._end()

    def _add(self, part: bytes) -> None:
        line = self._line + part
        if b"\r" in line:
            shown = line.rstrip(b"\r")
            line = shown.rpartition(b"\r")[2] + (b"\r" if shown != line else b"")
        self._line = line[:LINE_LIMIT]
        self._cut |= len(line) > LINE_LIMIT

    def _end(self) -> Iterator[Log]:
        text = self._line.decode(errors="replace").rstrip() + (" …" if self._cut else "")
        self._line, self._cut = b"", False
        if self._left <= 0:
            return
        self._left -= len(text) + LINE_COST
        if text:
            yield Log(time.time(), "info", text)
        if self._left <= 0:
            yield Log(time.time(), "warning", "the job prints too much; the rest is left out")
