"""Rows of a data file: JSON, JSON lines, CSV or Parquet, read one at a time.

A file is named in every error, with the line, or for JSON arrays the item, that is wrong.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

import orjson

from evald.clients import parquet
from evald.clients.array import Array, Malformed
from evald.clients.depth import MAX_DEPTH, is_too_deep
from evald.errors import EvaluationError
from evald.jsons import loads

Row = dict[str, Any]

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
"""Format by a name's end, which `.gz` may follow."""

DELIMITERS = {"csv": ",", "tsv": "\t"}

GZIP = b"\x1f\x8b"
"""What a compressed file begins with."""

ROW_LIMIT = 64 * 2**20
"""Bytes that one row may have, so that a file without line ends cannot fill the memory."""

TOO_DEEP = f"lists and objects are nested more than {MAX_DEPTH} deep"

BOM = b"\xef\xbb\xbf"


def format_of(name: str) -> str | None:
    """Format that a file's name tells, if any."""
    name = name.lower().removesuffix(".gz")
    return next((f for end, f in FORMATS.items() if name.endswith(end)), None)


def read(stream: io.BufferedReader, name: str) -> Iterator[Row]:
    """The rows of a file. Raises EvaluationError of kind `dataset`."""
    match _format(stream, name):
        case "json":
            return _json(stream, name)
        case "jsonl":
            return (_object(line, f"{name}, line {n}") for n, line in _lines(stream, name))
        case "object":
            return iter((_object(_checked(stream.read(ROW_LIMIT + 1), name), name),))
        case "parquet":
            return _parquet(stream, name)
        case given:
            return (row for _, row in _csv(stream, name, DELIMITERS[given]))


def count(stream: io.BufferedReader, name: str, most: int | None) -> int:
    """Number of rows, at most `most`, without making them where that can be avoided."""
    format = _format(stream, name)
    if format == "parquet":
        found = parquet.count(stream, name)
        return found if most is None else min(found, most)
    rows: Iterator[Any] = _lines(stream, name) if format == "jsonl" else read(stream, name)
    return sum(1 for _ in islice(rows, most))


def place(stream: io.BufferedReader, name: str, index: int) -> str:
    """Where a row of a file is, for people to find it: its line, or its number from 1."""
    format = _format(stream, name)
    lines: Iterator[tuple[int, Any]]
    if format == "jsonl":
        lines = _lines(stream, name)
    elif format in DELIMITERS:
        lines = _csv(stream, name, DELIMITERS[format])
    else:
        return f"{name}, row {index + 1}"
    number, _ = next(islice(lines, index, None))
    return f"{name}, line {number}"


def _format(stream: io.BufferedReader, name: str) -> str:
    """The format by the name, or by how the file begins; leaves the stream after a BOM."""
    start = stream.peek(len(BOM))
    if start.startswith(parquet.MAGIC):
        return "parquet"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _wrong(name, "it is UTF-16; save it as UTF-8")
    if start.startswith(BOM):
        stream.read(len(BOM))
    told = format_of(name)
    if told in ("csv", "tsv", "jsonl", "parquet"):
        return told
    first = stream.peek(1).lstrip()[:1]
    while not first and (start := stream.peek(1)):
        stream.read(len(start))
        first = stream.peek(1).lstrip()[:1]
    if first == b"[":
        return "json"
    if told == "json" and re.match(rb"\s*\{[ \t]*\r?\n", stream.peek(1)):
        return "object"
    return "jsonl" if told == "json" or first == b"{" else "csv"


def _lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1."""
    return ((number, line) for number, line in _numbered(stream, name) if not line.isspace())


def _numbered(stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """All lines, with their numbers from 1."""
    number = 0
    while line := stream.readline(ROW_LIMIT + 1):
        number += 1
        yield number, _checked(line, f"{name}, line {number}")


def _checked(text: bytes, place: str) -> bytes:
    """What is to be read as one row, unless it is too long."""
    if len(text) > ROW_LIMIT:
        raise _wrong(place, f"it has more than {ROW_LIMIT // 2**20} MiB")
    return text


def _object(line: bytes, place: str) -> Row:
    try:
        row = loads(line)
    except orjson.JSONDecodeError as e:
        row = _lenient(line, place, e)
    if not isinstance(row, dict):
        raise _wrong(place, f"a row must be a JSON object, not {_kind(row)}")
    if is_too_deep(row, line):
        raise _wrong(place, TOO_DEEP)
    return row


def _lenient(line: bytes, place: str, error: orjson.JSONDecodeError) -> Any:
    """Reads what Python writes and JSON does not know, such as NaN; else says what is wrong."""
    try:
        return json.loads(_text(line, place))
    except json.JSONDecodeError:
        hint = (
            "; a JSON file must hold an array of objects, or one object on each line"
            if line.strip() in (b"{", b"[")
            else ""
        )
        raise _wrong(place, f"it is not JSON: {error.msg}, column {error.colno}{hint}") from None
    except RecursionError:
        raise _wrong(place, TOO_DEEP) from None
    except ValueError as e:  # a number of thousands of digits
        raise _wrong(place, f"it cannot be read: {e}") from None


def _json(stream: BinaryIO, name: str) -> Iterator[Row]:
    number = 0
    try:
        for number, row in enumerate(Array(stream, ROW_LIMIT).objects(), 1):
            if is_too_deep(row):
                raise _wrong(f"{name}, item {number}", TOO_DEEP)
            yield row
    except Malformed as e:
        raise _wrong(f"{name}, {e.place}, item {number + 1}", str(e)) from None


def _parquet(stream: BinaryIO, name: str) -> Iterator[Row]:
    for number, row in enumerate(parquet.read(stream, name), 1):
        if is_too_deep(row):
            raise _wrong(f"{name}, row {number}", TOO_DEEP)
        yield row


def _csv(stream: BinaryIO, name: str, delimiter: str) -> Iterator[tuple[int, Row]]:
    """Rows of a CSV file with a header, each with the number of its last line; every value stays
    the text that it is."""
    csv.field_size_limit(ROW_LIMIT)
    texts = (_text(line, f"{name}, line {n}") for n, line in _numbered(stream, name))
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        repeated = {column for column in header if header.count(column) > 1}
        if repeated:
            raise _wrong(f"{name}, line 1", f"columns have the same name: {sorted(repeated)}")
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise _wrong(
                    f"{name}, line {reader.line_num}",
                    f"it has {len(values)} values, and the header names {len(header)} columns",
                )
            yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as e:
        raise _wrong(f"{name}, line {reader.line_num}", f"it is not CSV: {e}") from e


def _text(line: bytes, place: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as e:
        byte = line[e.start]
        raise _wrong(place, f"byte 0x{byte:02x} at column {e.start + 1} is not UTF-8") from e


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _wrong(place: str, reason: str) -> EvaluationError:
    return EvaluationError("dataset", f"{place}: {reason}")


def buffered(raw: BinaryIO, name: str) -> io.BufferedReader:
    """A stream to read rows from, decompressed when the name says so; some web servers have done
    that."""
    given = cast(Any, raw)
    stream = given if isinstance(raw, io.BufferedReader) else io.BufferedReader(given, 2**16)
    if name.lower().endswith(".gz") and stream.peek(2)[:2] in (GZIP, b""):
        import gzip

        # GzipFile is what BufferedReader needs, though typeshed does not call it a RawIOBase.
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)), 2**16)
    return stream
