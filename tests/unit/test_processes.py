"""Processes, and the memory they hold."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evald import processes

THREADS = """
import ctypes, os, sys, tempfile, threading
from evald.processes import share_memory

if sys.argv[1] == "shared":
    share_memory()
held, barrier = [], threading.Barrier(8)

def hold():
    barrier.wait()
    held.append([bytearray(10_000) for _ in range(100)])
    barrier.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
with tempfile.TemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fdopen(os.dup(file.fileno()), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    file.seek(0)
    print(file.read().count(b"<heap "))
"""


def arenas(how: str) -> int:
    command = [sys.executable, "-W", "error", "-c", THREADS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is not glibc's")
def test_threads_share_memory() -> None:
    assert arenas("shared") <= 2 < arenas("apart")


def test_a_deep_chain_of_processes_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = 5000
    monkeypatch.setattr(processes, "children", lambda pid: [pid + 1] if pid < depth else [])
    assert list(processes.tree(1)) == list(range(1, depth + 1))


def test_an_orphan_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found below its parent, and then below the process that it is given to."""
    found = {1: [2, 4], 2: [3, 4], 3: [], 4: []}
    monkeypatch.setattr(processes, "children", found.__getitem__)
    assert sorted(processes.tree(1)) == [1, 2, 3, 4]
