"""The objects of a JSON array, read one at a time from a file of any size."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

READ_BYTES = 2**16

MARGIN = 16
"""Characters before the end of what was read in which an error may be no more than the end: the
longest piece that is read as one, an escape or a word such as `-Infinity`, is shorter."""

SPACE = " \t\r\n"

KINDS = {"[": "an array", '"': "a string", "t": "a boolean", "f": "a boolean", "n": "null"}


def kind_of(start: str) -> str:
    """What a value is, by its first character."""
    if start == "-" or start.isdecimal():
        return "a number"
    return KINDS.get(start, f"what begins with {start!r}" if start else "the end of the file")


class Malformed(ValueError):
    """The file is not an array of objects; `place` says where."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.place = place


class Array:
    """Reads an array. An object may have `limit` characters; memory holds about two of them.

    Objects are decoded by the standard library, which finds their ends by itself, and knows `NaN`
    and whole numbers of any size.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._decoder = json.JSONDecoder()
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def objects(self) -> Iterator[dict[str, Any]]:
        """Raises Malformed."""
        self._expect("[")
        if self._next() == "]":
            self._at += 1
        else:
            while True:
                yield self._object()
                if self._expect(",]") == "]":
                    break
        if self._next():
            raise self._malformed("there is more after the end of the array")

    def _object(self) -> dict[str, Any]:
        start = self._next()
        if start != "{":
            raise self._malformed(f"a row must be a JSON object, not {kind_of(start)}")
        while True:
            try:
                row, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as e:
                is_end = e.pos >= len(self._buffer) - MARGIN or e.msg.startswith("Unterminated")
                if not (is_end and self._read()):
                    raise self._malformed(f"it is not JSON: {e.msg}", e.pos) from None
            except RecursionError:
                raise self._malformed("it is nested too deeply") from None
            except ValueError as e:  # a number of thousands of digits
                raise self._malformed(f"it cannot be read: {e}") from None
            else:
                self._at = end
                return dict(row)

    def _next(self) -> str:
        """The next character that is no space, not taken; nothing at the end of the file."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in SPACE:
                    return self._buffer[self._at]
                self._at += 1
            if not self._read():
                return ""

    def _expect(self, wanted: str) -> str:
        """Takes the next character, which must be one of those wanted."""
        found = self._next()
        if not found or found not in wanted:
            names = " or ".join(map(repr, wanted))
            what = repr(found) if found else "the end of the file"
            raise self._malformed(f"it is not JSON: {names} is expected, not {what}")
        self._at += 1
        return found

    def _read(self) -> bool:
        """Reads as much again as is held, and lets go of what was taken. False at the end."""
        self._line += self._buffer.count("\n", 0, self._at)
        self._buffer = self._buffer[self._at :]
        self._at = 0
        if self._ended:
            return False
        if len(self._buffer) > self._limit:
            raise self._malformed(f"a row has more than {self._limit // 2**20} MiB")
        data = self._stream.read(max(READ_BYTES, len(self._buffer)))
        self._ended = not data
        try:
            self._buffer += self._text.decode(data, final=self._ended)
        except UnicodeDecodeError as e:
            line = self._line + self._buffer.count("\n") + e.object.count(b"\n", 0, e.start)
            reason = f"byte 0x{e.object[e.start]:02x} is not UTF-8"
            raise Malformed(f"line {line}", reason) from None
        return True

    def _malformed(self, reason: str, at: int | None = None) -> Malformed:
        position = self._at if at is None else at
        return Malformed(f"line {self._line + self._buffer.count(chr(10), 0, position)}", reason)
