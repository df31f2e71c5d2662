"""A sandbox for programs that nobody trusts: bubblewrap, with limits.

A program sees the system's libraries and toolchains, read-only, and an empty /tmp. It has its own
process, network, IPC, mount and user identifiers, no capabilities, a filter of system calls, and
limits of memory, disk, processes, processor time and time. When it is over, nothing of it is left.
"""

from __future__ import annotations

import asyncio
import json
import marshal
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from evald.code import launcher, probe
from evald.code.command import LAUNCHER, SITE, arguments, candidates, is_root, python, unusable
from evald.code.program import Limits, Outcome, Program
from evald.code.seccomp import filter_of
from evald.errors import EvaluationError
from evald.processes import resident, tree

USERS = range(2**30, 2**30 + 2**20)
"""Users that a server that is root lends to programs, each its own: root itself, under whatever
name, is exempt from the limit of processes, which otherwise counts all that a user runs."""

TAIL = 2000
"""Bytes of what a program prints that are kept: the last ones."""

LOOK_SECONDS = 0.05
"""How often is looked how much memory a program holds."""

END_SECONDS = 5
"""How long a program that is killed may take to be gone."""


class Bubblewrap:
    """Runs programs, at most `parallelism` at once."""

    def __init__(self, parallelism: int | None = None) -> None:
        """Raises EvaluationError of kind `sandbox` when there is no bwrap."""
        self._candidates = candidates()
        self._bwrap = self._candidates[0]
        self._free = asyncio.Semaphore(parallelism or len(os.sched_getaffinity(0)))

    async def probe(self) -> None:
        """Raises EvaluationError of kind `sandbox` unless programs can be run, and are kept from
        doing what they must not do. Of several bwraps, takes the first that does it."""
        failures = []
        for bwrap in self._candidates:
            self._bwrap = bwrap
            try:
                outcome = await self.run(Program(probe.SOURCE), Limits(cpu=30, wall=60))
            except EvaluationError as e:
                failures.append(e)
                continue
            if outcome.passed:
                return
            said = outcome.output.strip().rpartition("\n")[2] or outcome.verdict
            failures.append(unusable(f"it does not hold what it must: {said}"))
        raise failures[-1]

    async def run(self, program: Program, limits: Limits) -> Outcome:
        """Runs a program to its end. Raises EvaluationError of kind `sandbox` when it cannot be
        started."""
        async with self._free:
            with ExitStack() as opened:
                return await Run(self._bwrap, program, limits, opened).outcome()


class Run:
    """One program in its sandbox. `opened` closes what it opens."""

    def __init__(self, bwrap: str, program: Program, limits: Limits, opened: ExitStack) -> None:
        self._bwrap = bwrap
        self._program = program
        self._limits = limits
        self._word = secrets.token_bytes(16)
        self._said, self._says = pipe(opened)
        self._told, self._tells = pipe(opened)
        self._filter = memory_file(filter_of(), opened)
        self._opened = opened
        self._first: int | None = None
        self._tail = bytearray()

    async def outcome(self) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={},  # what the server knows must not be read in /proc/1/environ
            pass_fds=[fd for fd in (self._says, self._tells, self._filter) if fd is not None],
        )
        ended = ""
        try:
            async with asyncio.timeout(self._limits.wall):
                ended = await self._watch(process)
        except TimeoutError:
            ended = "timeout"
        finally:
            await self._end(process)
        return self._judge(process.returncode, ended)

    def _command(self) -> Iterator[str]:
        yield self._bwrap
        yield from arguments(self._program.places, self._limits)
        yield from ("--info-fd", str(self._tells))
        if self._filter is not None:
            yield from ("--seccomp", str(self._filter))
        yield from ("--", python(), "-I", "-S", "-X", "utf8", LAUNCHER, str(self._says))

    def _job(self) -> bytes:
        """What the launcher is told."""
        return marshal.dumps(
            {
                "uid": secrets.choice(USERS) if is_root() else None,
                "limits": self._limits.resources(),
                "source": self._program.source,
                "files": dict(self._program.files),
                "commands": [list(command) for command in self._program.commands],
                "path": [SITE],
                "word": self._word,
            }
        )

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """Feeds a process until it has ended; says `memory` when it holds too much."""
        over = asyncio.create_task(self._talk(process))
        try:
            while not over.done():
                await asyncio.wait([over], timeout=LOOK_SECONDS)
                if sum(map(resident, tree(process.pid))) > self._limits.memory:
                    return "memory"
            await over
        finally:
            over.cancel()
            await asyncio.wait([over])
        return ""

    async def _talk(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):
            process.stdin.write(self._job())
            await process.stdin.drain()
        process.stdin.close()
        while data := await process.stdout.read(2**16):
            self._tail = (self._tail + data)[-TAIL:]
        await process.wait()

    def _judge(self, status: int | None, ended: str) -> Outcome:
        try:
            said = os.read(self._said, 4096)
        except BlockingIOError:
            said = b""
        output = self._tail.decode(errors="replace")
        if not said.startswith(launcher.READY) and not ended:
            raise unusable(output.strip() or f"bwrap exited with status {status}")
        if ended:
            return Outcome(ended, output)
        well = said == launcher.READY + self._word and status == 0
        if well and not any(word in output for word in self._program.alarms):
            return Outcome("passed", output)
        return Outcome("timeout" if status == 128 + signal.SIGXCPU else "failed", output)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Returns when the sandbox and all that is in it are gone."""
        self._find_first()
        with suppress(ProcessLookupError):
            if self._first is not None:
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        if self._first is not None:
            await buried(self._first)
        assert process.stdout is not None
        with suppress(TimeoutError):  # asyncio closes a pipe only when it was read to its end
            async with asyncio.timeout(END_SECONDS):
                while await process.stdout.read(2**16):
                    pass

    def _find_first(self) -> None:
        """Gets hold of the first process of the sandbox. When that has ended all others have."""
        try:
            pid = json.loads(os.read(self._told, 4096))["child-pid"]
            self._first = os.pidfd_open(pid)
        except (BlockingIOError, ValueError, ProcessLookupError):
            return  # there is none yet, or no longer
        self._opened.callback(os.close, self._first)


async def buried(process: int) -> None:
    """Returns when the process of a file descriptor has ended, but waits no longer than
    END_SECONDS, and buries it if that falls to this process."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(process, over.set)
    try:
        async with asyncio.timeout(END_SECONDS):
            await over.wait()
    except TimeoutError:
        return
    finally:
        loop.remove_reader(process)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, process, os.WEXITED | os.WNOHANG)


def pipe(opened: ExitStack) -> tuple[int, int]:
    """A pipe whose reading end does not block."""
    ends = os.pipe()
    for fd in ends:
        opened.callback(os.close, fd)
    os.set_blocking(ends[0], False)
    return ends


def memory_file(content: bytes | None, opened: ExitStack) -> int | None:
    """A file descriptor to read `content` from."""
    if content is None:
        return None
    fd = os.memfd_create("filter")
    opened.callback(os.close, fd)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
