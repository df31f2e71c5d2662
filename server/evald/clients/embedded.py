"""The embedded data store: `hf://datasets/NAMESPACE/NAME` as a folder of the data dir."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evald.errors import InvalidArgument, NotFound

SCHEME = "hf://datasets/"

STALE_SECONDS = 86400
"""Age at which a staging folder is what a killed process has left behind."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def store_of(data_dir: Path) -> Path:
    """The folder of the whole store."""
    return data_dir / "datasets"


def folder_of(data_dir: Path, name: str) -> Path:
    """The folder of the data set `namespace/name`, there or not. Raises InvalidArgument."""
    parts = name.split("/")
    if len(parts) != 2 or not all(NAME.fullmatch(part) for part in parts):
        raise InvalidArgument.of(
            "name",
            f"{name!r} is not NAMESPACE/NAME, each of letters, digits, '.', '_' and '-'",
        )
    return store_of(data_dir).joinpath(*parts)


def put(data_dir: Path, name: str, files: Sequence[Path]) -> str:
    """Copies files into the data set `namespace/name` and answers its URL.

    Files of the same names are replaced, others stay. Readers see each file whole, the old one or
    the new one. Raises InvalidArgument, before anything is stored, when something cannot be.
    """
    folder = folder_of(data_dir, name)
    if not files:
        raise InvalidArgument.of("files", "name at least one file")
    names = [file.name for file in files]
    for file in files:
        if not file.is_file():
            raise InvalidArgument.of("files", f"{str(file)!r} is not a file")
        if names.count(file.name) > 1:
            raise InvalidArgument.of("files", f"two files are called {file.name!r}")
        if file.name.startswith("."):
            raise InvalidArgument.of("files", f"{file.name!r} would be hidden")
    with staged(folder.parent) as staging:
        for file in files:
            shutil.copyfile(file, staging / file.name)
            sync(staging / file.name)
        folder.mkdir(exist_ok=True)
        for file_name in names:
            (staging / file_name).replace(folder / file_name)
    sync(folder)
    return SCHEME + name


@dataclass(frozen=True, slots=True)
class Stored:
    """A data set that is stored: its name `namespace/name`, number of files, their bytes, and when
    the last of them changed (local time)."""

    name: str
    files: int
    size: int
    changed_at: datetime

    @property
    def url(self) -> str:
        return SCHEME + self.name


def stored(data_dir: Path) -> Iterator[Stored]:
    """All data sets of the store, by name; also what jobs have put there."""
    for folder in sorted(store_of(data_dir).glob("*/*")):
        name = f"{folder.parent.name}/{folder.name}"
        if folder.is_dir() and all(NAME.fullmatch(part) for part in name.split("/")):
            files = [path.stat() for path in folder.rglob("*") if path.is_file()]
            changed = max((file.st_mtime for file in files), default=folder.stat().st_mtime)
            size = sum(file.st_size for file in files)
            yield Stored(name, len(files), size, datetime.fromtimestamp(changed).astimezone())


def delete(data_dir: Path, url: str) -> None:
    """Deletes a data set, or a file or folder of one, by its `hf://datasets/` URL.

    Raises InvalidArgument when the URL is not one of the store, NotFound when nothing is there.
    """
    parts = url.removeprefix(SCHEME).rstrip("/").split("/")
    if not url.startswith(SCHEME) or any(part in ("", ".", "..") for part in parts):
        raise InvalidArgument.of("files_url", f"{url!r} is not hf://datasets/NAMESPACE/NAME[/PATH]")
    folder = folder_of(data_dir, "/".join(parts[:2]))
    doomed = folder.joinpath(*parts[2:])
    if not doomed.parent.resolve().is_relative_to(store_of(data_dir).resolve()):
        raise InvalidArgument.of("files_url", f"{url!r} leads out of the store")
    if doomed.is_dir() and not doomed.is_symlink():
        remove(doomed)
    elif doomed.is_symlink() or doomed.is_file():
        doomed.unlink()
    else:
        raise NotFound(f"there is no {url}")


def remove(folder: Path) -> None:
    """Deletes a folder: first its name, so that nobody finds it by halves, then what it held."""
    grave = Path(tempfile.mkdtemp(prefix=".deleted-", dir=folder.parent))
    try:
        folder.replace(grave / folder.name)
    finally:
        shutil.rmtree(grave, ignore_errors=True)


@contextmanager
def staged(parent: Path) -> Iterator[Path]:
    """A hidden folder beside where files shall be, so that moving them there is one step."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in [*parent.glob(".staging-*"), *parent.glob(".deleted-*")]:
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=parent))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
