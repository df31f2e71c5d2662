"""What tells whose child a process is, and all that it starts: a variable in its environment, and
the name of its temporary folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

NAME = "EVALD_CHILD"
FOLDER = "evald-child-"
ROUNDS = 100
PATTERN = re.compile(rf"(?:^|\0){NAME}=([^\0]*)".encode())


def new() -> str:
    """A marker for one child of this process."""
    return f"{_identity('self')}/{uuid4().hex}"


def new_folder() -> str:
    """A folder for temporary files of one child of this process."""
    return tempfile.mkdtemp(prefix=folder_prefix())


def folder_prefix() -> str:
    """How names of temporary folders begin that are removed when this process is gone."""
    return f"{FOLDER}{_identity('self').replace(':', '-')}-"


def remove_orphans() -> None:
    """Removes the folders that servers which are gone have left behind."""
    here = _identity("self").partition(":")[0]
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}{here}-*-*-*"):
        pid, started = folder.name.removeprefix(f"{FOLDER}{here}-").split("-")[:2]
        if _identity(pid) != f"{here}:{pid}:{started}":
            shutil.rmtree(folder, ignore_errors=True)


def kill(marker: str) -> None:
    """Kills what carries the marker, in whatever process group it is, and all of these groups."""
    _kill(lambda found: found == marker)


def kill_orphans() -> None:
    """Kills what servers that are gone have left behind."""
    here = _identity("self").partition(":")[0]

    def orphaned(found: str) -> bool:
        server = found.partition("/")[0]
        namespace, _, rest = server.partition(":")
        # In another namespace, a pid is another process.
        return namespace == here and _identity(rest.partition(":")[0]) != server

    _kill(orphaned)


def _kill(wanted: Callable[[str], bool]) -> None:
    """Looks again as long as there are any, since they may have started others meanwhile."""
    for _ in range(ROUNDS):
        pids = [pid for pid, marker in _marked() if wanted(marker)]
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                _kill_group(pid)
        if not pids:
            return
        time.sleep(0.001)


def _kill_group(pid: int) -> None:
    """Kills a child's process and its group, where some may have written over their environment,
    as Ray's agents do with their titles. A child starts as the leader of a session, so that a
    group of it has no others."""
    if (group := os.getpgid(pid)) != os.getpgrp():
        os.killpg(group, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def _marked() -> Iterator[tuple[int, str]]:
    """Processes of this user that carry a marker. Systems without /proc have none."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # somebody else's, or over
            if found := PATTERN.search((path / "environ").read_bytes()):
                yield int(path.name), found[1].decode(errors="replace")


def _identity(pid: str) -> str:
    """The namespace, number and start time of a process: no two have all of them in common."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        namespace = Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return f"none:{pid}:"
    started = stat.rpartition(")")[2].split()[19]
    return f"{re.sub('[^0-9]', '', str(namespace))}:{stat.split()[0]}:{started}"
