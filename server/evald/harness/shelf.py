"""Keeps what was read of many files in the user's cache folder, as long as none of them changes: to
read the fourteen thousand of lm-eval takes half a second, and each server and child would."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson


class Shelf:
    """A file of the cache for what is read of some folders."""

    def __init__(self, folders: Sequence[str]) -> None:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
        name = hashlib.sha256("\0".join(folders).encode()).hexdigest()[:16]
        self._path = Path(home, "evald", f"tasks-{name}.json")
        self._stamp = stamp(folders)

    def take(self) -> dict[str, Any] | None:
        """What was put here; None when that is nothing, or a file has changed since."""
        with suppress(OSError, ValueError):
            kept = orjson.loads(self._path.read_bytes())
            if isinstance(kept, dict) and kept.pop("stamp", None) == self._stamp:
                return kept
        return None

    def put(self, found: Mapping[str, Any]) -> None:
        """Keeps what was read. Without a cache folder that can be written, nothing is kept."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(dir=self._path.parent)
            try:
                with open(number, "wb") as file:  # noqa: PTH123, a descriptor
                    file.write(orjson.dumps({"stamp": self._stamp, **found}))
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink()
                raise


def stamp(folders: Sequence[str]) -> str:
    """What is another when a file below the folders is added, taken away or written; what Python
    compiles there does not count."""
    digest = hashlib.sha256()
    for line in sorted(line for folder in folders for line in _files(folder)):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: str) -> Iterator[str]:
    """A line for each file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _files(entry.path)
            else:
                seen = entry.stat()
                yield f"{entry.path} {seen.st_size} {seen.st_mtime_ns}\n"
