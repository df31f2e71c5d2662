"""ZIP archives that are made while they are sent."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from evald.errors import NotFound

BLOCK = 64 * 2**10
"""Bytes of a part, at most."""


def zipped(folder: Path, names: Iterable[str]) -> Iterator[bytes]:
    """A ZIP of files in a folder, in parts. Takes the memory of a few blocks, however long.

    Raises NotFound when one of them goes away meanwhile.
    """
    try:
        yield from _parts(folder, names)
    except FileNotFoundError as e:
        name = Path(e.filename).name
        raise NotFound(f"{name} was deleted or replaced while it was sent; try again") from e


def _parts(folder: Path, names: Iterable[str]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            path = folder / name
            status = path.stat()
            entry = zipfile.ZipInfo(name, time.gmtime(max(status.st_mtime, 315532800))[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.file_size = status.st_size
            with path.open("rb") as file, archive.open(entry, "w") as member:
                while block := file.read(BLOCK):
                    member.write(block)
                    yield from sink.take()
    yield from sink.take()


class _Sink(io.RawIOBase):
    """What zipfile has written and nobody has taken yet. It cannot seek, so zipfile writes sizes
    and checksums behind each file."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts += data
        return len(data)

    def take(self) -> Iterator[bytes]:
        held, self._parts = self._parts, bytearray()
        for start in range(0, len(held), BLOCK):
            yield bytes(held[start : start + BLOCK])
