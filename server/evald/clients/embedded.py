"""The embedded data store: `hf://datasets/NAMESPACE/NAME` as a folder of the data dir."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
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


def put(data_dir: Path, name: str, paths: Sequence[Path]) -> str:
    """Copies files, and folders with all that is in them, into the data set `namespace/name`, and
    answers its URL.

    Files of the same names are replaced, others stay. Readers see each file whole, the old one or
    the new one. Raises InvalidArgument, before anything is stored, when something cannot be.
    """
    folder = folder_of(data_dir, name)
    files = files_in(paths)
    check_room(folder, files)
    with staged(folder.parent) as staging:
        for place, file in files.items():
            (staging / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, staging / place)
            sync(staging / place)
        folder.mkdir(exist_ok=True)
        for place in files:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (staging / place).replace(folder / place)
        for changed in {folder / parent for place in files for parent in place.parents}:
            sync(changed)
    return SCHEME + name


def files_in(paths: Sequence[Path]) -> dict[Path, Path]:
    """Files by where they belong in a data set: at the top by their names, those of a folder below
    its name, and those of `.` without one. What is hidden in a folder does not count.

    Raises InvalidArgument.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.name.startswith((".", "_")):
            raise InvalidArgument.of("files", f"{path.name!r} would be hidden")
        if path.is_dir():
            inside = {Path(path.name, f.relative_to(path)): f for f in sorted(_visible(path))}
        elif path.is_file():
            inside = {Path(path.name): path}
        else:
            raise InvalidArgument.of("files", f"{str(path)!r} is not a file or folder")
        for place in inside:
            if place in found:
                raise InvalidArgument.of("files", f"two files are called {str(place)!r}")
        found |= inside
    if not found:
        raise InvalidArgument.of("files", "name at least one file, or a folder that holds one")
    return found


def _visible(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            path
            for path in (Path(top, name) for name in names if not name.startswith("."))
            if path.is_file()
        )


def check_room(folder: Path, places: Collection[Path]) -> None:
    """Raises InvalidArgument when a file would take the place of a folder, or a folder that of a
    file."""
    for place in places:
        above = [p for p in place.parents if p.name]
        if (folder / place).is_dir():
            raise InvalidArgument.of("files", f"{str(place)!r} is a folder of the data set already")
        for parent in above:
            if parent in places or (folder / parent).is_file():
                raise InvalidArgument.of("files", f"{str(parent)!r} is a file of the data set")


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
