"""A sandbox for programs that nobody trusts: bubblewrap, with limits.

A program sees the system's libraries and toolchains, read-only, and an empty /tmp. It has its own
process, network, IPC, mount and user identifiers, no capabilities, a filter of system calls, and
limits of memory, disk, processes, processor time and time. When it is over, nothing of it is left.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import random
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from evald.code import launcher, probe
from evald.code.command import LAUNCHER, SITE, arguments, bwrap, is_root, python, unusable
from evald.code.program import Limits, Outcome, Program
from evald.code.seccomp import filter_of
from evald.processes import children, resident, tree

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
        self._free = asyncio.Semaphore(parallelism or len(os.sched_getaffinity(0)))

    async def probe(self) -> None:
        """Raises EvaluationError of kind `sandbox` unless programs can be run, and are kept from
        doing what they must not do."""
        outcome = await self.run(Program(probe.SOURCE), Limits(cpu=30, wall=60))
        if not outcome.passed:
            said = outcome.output.strip().rpartition("\n")[2] or outcome.verdict
            raise unusable(f"a sandbox does not hold what it must: {said}")

    async def run(self, program: Program, limits: Limits) -> Outcome:
        """Runs a program to its end. Raises EvaluationError of kind `sandbox` when it cannot be
        started."""
        async with self._free:
            with ExitStack() as opened:
                return await Run(program, limits, opened).outcome()


class Run:
    """One program in its sandbox. `opened` closes what it opens."""

    def __init__(self, program: Program, limits: Limits, opened: ExitStack) -> None:
        self._program = program
        self._limits = limits
        self._word = secrets.token_bytes(16)
        self._said, self._says = os.pipe()
        opened.callback(os.close, self._said)
        opened.callback(self._close_says)
        self._filter = memory_file(filter_of())
        if self._filter is not None:
            opened.callback(os.close, self._filter)
        self._tail = bytearray()

    async def outcome(self) -> Outcome:
        fds = [fd for fd in (self._says, self._filter) if fd is not None]
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={},  # what the server knows must not be read in /proc/1/environ
            pass_fds=fds,
        )
        self._close_says()
        ended = ""
        try:
            async with asyncio.timeout(self._limits.wall):
                ended = await self._watch(process)
        except TimeoutError:
            ended = "timeout"
        finally:
            await end(process)
        return self._judge(process.returncode, ended)

    def _command(self) -> Iterator[str]:
        yield bwrap()
        yield from arguments(self._program.places, self._limits)
        if self._filter is not None:
            yield from ("--seccomp", str(self._filter))
        yield from ("--", python(), "-I", "-S", "-X", "utf8", LAUNCHER, str(self._says))

    def _job(self) -> bytes:
        """What the launcher is told."""
        return marshal.dumps(
            {
                "uid": random.choice(USERS) if is_root() else None,
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
        os.set_blocking(self._said, False)
        try:
            said = os.read(self._said, 4096)
        except BlockingIOError:
            said = b""
        output = self._tail.decode(errors="replace")
        if not said.startswith(launcher.READY) and not ended:
            raise unusable(output.strip() or f"bwrap exited with status {status}")
        if ended:
            return Outcome(ended, output)
        if said == launcher.READY + self._word and status == 0:
            return Outcome("passed", output)
        killed = status in {128 + signal.SIGXCPU, 128 + signal.SIGKILL}
        return Outcome("timeout" if killed else "failed", output)

    def _close_says(self) -> None:
        says, self._says = self._says, -1
        if says >= 0:
            os.close(says)


async def end(process: asyncio.subprocess.Process) -> None:
    """Returns when a sandbox and all that is in it are gone."""
    if process.returncode is None:
        # With the first process of their namespace all others end, and are gone before it is.
        for pid in children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def memory_file(content: bytes | None) -> int | None:
    """A file descriptor to read `content` from."""
    if content is None:
        return None
    fd = os.memfd_create("filter")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
