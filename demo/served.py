"""Servers of the demo, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


class Served:
    """A module that serves and prints its URL first, ready when the block begins.

    It ends with the block, and when this process dies.
    """

    def __init__(self, module: str, log: Path) -> None:
        self.url = ""
        self._module = module
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            self.url = self._first_line()
        except BaseException:
            self._stop()
            raise
        if not self.url:
            self._stop()
            raise RuntimeError(f"{self._module} did not start:\n{self._log.read_text()[-2000:]}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        return self._process.stdout.readline().strip() if ready else ""

    def _stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()


def serve_until_ended(url: str) -> None:
    """Prints a URL and does not return: the process ends when whoever started it closes the pipe
    or dies, or by Ctrl-C or SIGTERM."""
    print(url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            sys.stdin.read()
        else:
            signal.pause()
    os._exit(0)  # threads that serve have no stop, and would outlive this one
