"""A child process, seen from the server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock

import structlog

from evald.executor import marker
from evald.executor.environment import scrubbed
from evald.processes import children, resident, signal_group

log = structlog.get_logger()

COMMAND = (sys.executable, "-P", "-m", "evald.executor.child")

REAP_SECONDS = 10
"""How long a killed process may take to be gone; only a broken driver holds one for longer."""


class ChildProcess:
    """One child: the leader of a process group of its own, with pipes to speak to it.

    It holds the reading end of a pipe, the lifeline, whose other end only the server holds. When
    the server dies, however it dies, the lifeline breaks, and the child's group with it. (The
    kernel's parent-death signal would not do: it fires when the thread that started the child
    ends, and it spares what the child has started.)

    While it waits for a job, it imports what flows of the config `types` need.
    """

    def __init__(self, devices: tuple[str, ...] = (), types: Sequence[str] = ()) -> None:
        self.devices = devices
        self.jobs = 0
        self.idle_since = time.monotonic()
        self._marker = marker.new()
        self._lock = Lock()
        self._reading = False
        self._condemned: tuple[str, str] | None = None
        self._stuck = False
        with ExitStack() as theirs, ExitStack() as undo:
            self.events, events = _pipe(undo, theirs)
            lifeline, self._lifeline = _pipe(theirs, undo)
            self._temporary = marker.new_folder()
            undo.callback(shutil.rmtree, self._temporary, ignore_errors=True)
            self._process = subprocess.Popen(
                [*COMMAND, str(events), str(lifeline), *types],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=(events, lifeline),
                start_new_session=True,
                env={
                    **scrubbed(os.environ, marker=self._marker, devices=devices),
                    "TMPDIR": self._temporary,
                },
            )
            undo.pop_all()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.stdin = self._process.stdin.fileno()
        self.printed = self._process.stdout.fileno()
        for fd in (self.stdin, self.printed, self.events):
            os.set_blocking(fd, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended, or is given up. It is not reaped by this: until `end`, its
        process group cannot become somebody else's."""
        with self._lock:
            if self._gone:
                return True
            if sys.platform != "linux":
                return self._process.poll() is not None
            what = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, what) is not None

    @property
    def rss(self) -> int:
        """Bytes of memory that it holds; 0 where that cannot be told."""
        return resident(self.pid)

    @property
    def alone(self) -> bool:
        """Whether no process that it started is left."""
        return not children(self.pid)

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """Keeps the pipes open, whoever ends the child meanwhile. Says whether they are open."""
        with self._lock:
            self._reading = self.events >= 0
        try:
            yield self._reading
        finally:
            with self._lock:
                self._reading = False
                self._close_pipes()

    def discard_printed(self) -> None:
        """Drops what it printed while it had nothing to do."""
        with suppress(BlockingIOError):
            for _ in range(64):
                if not os.read(self.printed, 2**16):
                    return

    def terminate(self) -> None:
        """Tells the whole group to end."""
        with self._lock:
            self._signal(signal.SIGTERM)

    @property
    def condemned(self) -> tuple[str, str] | None:
        """The kind and the words for why the server ended it, if it did not just stop it."""
        return self._condemned

    def condemn(self, kind: str, message: str) -> None:
        """Ends it for what it has done."""
        self._condemned = self._condemned or (kind, message)
        self.end()

    def end(self) -> int | None:
        """Kills the group and all else that the child has started, and answers how it ended: exit
        status, or minus the number of the signal. It is gone when this returns; None for one that
        the system does not let go of, which is given up."""
        with self._lock:
            if not self._gone:
                self._signal(signal.SIGKILL)
                marker.kill(self._marker)
                try:
                    self._process.wait(REAP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._stuck = True
                    log.error("a killed process stays; look at its disks and GPUs", pid=self.pid)
                self._close_pipes()
                # One that was killed could not do it.
                shutil.rmtree(self._temporary, ignore_errors=True)
            return self._process.returncode

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            signal_group(self.pid, number)

    @property
    def _gone(self) -> bool:
        """Whether it is reaped, or given up."""
        return self._process.returncode is not None or self._stuck

    def _close_pipes(self) -> None:
        if self._reading or not self._gone or self.events < 0:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        os.close(self._lifeline)
        os.close(self.events)
        self.events = -1


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """A pipe whose reading end and writing end are closed by these."""
    ends = os.pipe()
    for stack, end in zip((reading, writing), ends, strict=True):
        stack.callback(os.close, end)
    return ends
