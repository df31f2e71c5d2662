"""Every backend, with real children: how runs end that do not end by themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from evald.executor import process, run
from evald.executor.backend import ChildDied, JobSpec
from evald.executor.events import Done, Event, Log, Samples
from evald.executor.limits import Limits
from evald.executor.local import LocalBackend
from evald.executor.ray import RayRun
from evald.executor.run import LocalRun
from tests.executor.conftest import AnyBackend
from tests.processes import is_alive

MakeSpec = Callable[..., JobSpec]
Until = Callable[[Callable[[], Any]], None]


def died(attempt: LocalRun | RayRun) -> tuple[list[Event], ChildDied]:
    """What a run says before its child dies, and how that dies."""
    said: list[Event] = []
    with pytest.raises(ChildDied) as caught:
        said.extend(attempt.events())
    return said, caught.value


@pytest.mark.parametrize(
    ("do", "kind", "message"),
    [
        ("exit", "crash", "status 3"),
        ("segfault", "crash", "SIGSEGV"),
        ("kill", "killed", "memory"),
        ("malformed", "child", "not an event"),
        ("endless_line", "child", "bytes at once"),
        ("mute", "child", "closed its pipe"),
    ],
)
def test_a_death_says_how(
    do: str,
    kind: str,
    message: str,
    backend: AnyBackend,
    make_spec: MakeSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "EXIT_SECONDS", 0.1)
    attempt = backend.start(make_spec(do))
    _, death = died(attempt)
    assert death.kind == kind
    assert message in str(death)
    assert not is_alive(attempt.pid)


@pytest.mark.parametrize(
    ("do", "kind"),
    [
        ("grow", "memory"),
        ("multiply", "processes"),
        ("chain", "processes"),
        ("flood_forever", "output"),
    ],
)
def test_a_job_that_takes_too_much_is_ended(
    do: str, kind: str, backends: Callable[..., AnyBackend], make_spec: MakeSpec
) -> None:
    limits = {"job_memory": 300 * 2**20, "job_processes": 50, "job_output": 2**25}
    attempt = backends(**limits).start(make_spec(do, megabytes=4000))
    _, death = died(attempt)
    assert (death.kind, "EVALD_JOB_" in str(death)) == (kind, True)
    assert not is_alive(attempt.pid)


def test_a_crash_in_c_leaves_its_trace_in_the_log(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said, _ = died(backend.start(make_spec("segfault")))
    assert any("in segfault" in e.message for e in said if isinstance(e, Log))


@pytest.mark.parametrize("do", ["hang", "busy", "stubborn", "stuck", "flood_forever", "offspring"])
def test_a_stopped_run_ends(do: str, backend: AnyBackend, make_spec: MakeSpec) -> None:
    attempt = backend.start(make_spec(do))
    said = attempt.events()
    next(said)
    started = time.monotonic()
    attempt.stop(0.2)
    attempt.stop(0.2)
    with pytest.raises(ChildDied) as caught:
        list(said)
    assert caught.value.kind == "stopped"
    assert time.monotonic() - started < 5
    assert not is_alive(attempt.pid)


def test_a_run_ends_whose_process_the_system_does_not_let_go(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, backends: Callable[..., AnyBackend]
) -> None:
    """As one that waits for a broken disk or GPU. Its job must not wait for it, nor a drain."""
    if not isinstance(backend := backends(), LocalBackend):
        return
    attempt = backend.start(make_spec("stubborn"))
    said = attempt.events()
    next(said)
    with monkeypatch.context() as kernel:
        kernel.setattr(process, "REAP_SECONDS", 0.1)
        kernel.setattr(process.os, "killpg", lambda *_: None)
        kernel.setattr(process.marker, "kill", lambda *_: None)
        attempt.stop(0.1)
        with pytest.raises(ChildDied, match="told to end"):
            list(said)
    given_up = attempt._child._process
    assert given_up.returncode is None
    given_up.kill()
    given_up.wait()


def test_a_flow_that_blocks_its_loop_ends_before_a_long_grace(
    backend: AnyBackend, make_spec: MakeSpec
) -> None:
    attempt = backend.start(make_spec("busy"))
    said = attempt.events()
    next(said)
    started = time.monotonic()
    attempt.stop(60)
    with pytest.raises(ChildDied):
        list(said)
    assert time.monotonic() - started < 20


def test_a_stopped_flow_may_clean_up(backend: AnyBackend, make_spec: MakeSpec) -> None:
    attempt = backend.start(make_spec("cleaning"))
    said = attempt.events()
    next(said)
    attempt.stop(20)
    rest = []
    with pytest.raises(ChildDied):
        rest.extend(said)
    assert "cleaned up" in [e.message for e in rest if isinstance(e, Log)]


def test_samples_gathered_before_a_stop_arrive(backend: AnyBackend, make_spec: MakeSpec) -> None:
    attempt = backend.start(make_spec("samples", count=1, pause=0.001, then="hang"))
    said = attempt.events()
    next(said)
    attempt.stop(20)
    rest: list[Event] = []
    with pytest.raises(ChildDied):
        rest.extend(said)
    assert any(isinstance(e, Samples) for e in rest)


@pytest.mark.parametrize("then", ["hang", "exit", "end"])
def test_nothing_that_a_job_started_outlives_it(
    then: str, backend: AnyBackend, make_spec: MakeSpec, until: Until
) -> None:
    attempt = backend.start(make_spec("offspring", then=then))
    said = attempt.events()
    first = next(said)
    assert isinstance(first, Log)
    pids = [int(pid) for pid in first.message.split()]
    assert len(pids) == 4
    if then == "end":
        assert isinstance(list(said)[-1], Done)
    else:
        if then == "hang":
            attempt.stop(0)
        with pytest.raises(ChildDied):
            list(said)
    until(lambda: not any(map(is_alive, pids)))


def test_a_run_stopped_before_anybody_listens(backend: AnyBackend, make_spec: MakeSpec) -> None:
    attempt = backend.start(make_spec("hang"))
    attempt.stop(0)
    _, death = died(attempt)
    assert death.kind == "stopped"
    _, death = died(attempt)
    assert death.kind == "stopped"


def test_a_stop_after_the_end_does_not_touch_the_next_run(
    backend: AnyBackend, make_spec: MakeSpec
) -> None:
    first = backend.start(make_spec("samples", count=1))
    said = first.events()
    while not isinstance(next(said), Done):
        pass
    second = backend.start(make_spec("samples", count=20, pause=0.01))
    if isinstance(backend, LocalBackend):  # Ray may have another worker at hand
        assert second.pid == first.pid
    first.stop(0)
    said.close()  # type: ignore[attr-defined]
    assert isinstance(list(second.events())[-1], Done)


def test_a_run_that_nobody_listens_to_any_more_ends(
    backend: AnyBackend, make_spec: MakeSpec
) -> None:
    attempt = backend.start(make_spec("hang"))
    said = attempt.events()
    next(said)
    said.close()  # type: ignore[attr-defined]
    assert not is_alive(attempt.pid)


def test_a_child_that_reads_nothing_can_be_stopped(
    backend: AnyBackend, make_spec: MakeSpec
) -> None:
    first = backend.start(make_spec("samples", count=1))
    list(first.events())
    os.kill(first.pid, signal.SIGSTOP)
    second = backend.start(make_spec("tell", rows=["x" * 1000] * 5000))
    assert second.pid == first.pid
    second.stop(0)
    _, death = died(second)
    assert death.kind == "stopped"


def test_many_stops_leave_nothing(backends: Callable[..., AnyBackend], make_spec: MakeSpec) -> None:
    backend = backends(warm_children=1)
    for i in range(50):
        attempt = backend.start(make_spec("hang"))
        attempt.stop(0)
        if i % 2:
            died(attempt)
    # The fixture looks for what is left.


def test_close_ends_what_runs(
    backends: Callable[..., AnyBackend], make_spec: MakeSpec, until: Until
) -> None:
    backend = backends()
    attempt = backend.start(make_spec("stubborn"))
    said = attempt.events()
    next(said)
    backend.close()
    until(lambda: not is_alive(attempt.pid))
    with pytest.raises(ChildDied):
        list(said)


SERVER = """
import sys
from evald.executor.backend import JobSpec
from evald.executor.limits import Limits
from evald.executor.local import LocalBackend
from evald.settings import Settings

settings = Settings()
backend = LocalBackend(Limits.here(0, 1024, 2**20), warm=1)
config = {"type": "trial", "do": sys.argv[1]}
attempt = backend.start(JobSpec("eval-trial", 1, config, {}, settings.clients))
print(attempt.pid, next(attempt.events()).message, flush=True)
input()
"""


@pytest.mark.parametrize("executor", ["local"], indirect=True)
@pytest.mark.parametrize("do", ["hang", "stuck", "stubborn", "offspring"])
def test_children_do_not_outlive_a_killed_server(do: str, mark: Any, until: Until) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, do], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        pids = [int(word) for word in server.stdout.readline().split() if word.isdigit()]
        server.kill()
    # What has left the group of its child is out of the lifeline's reach.
    strays = set(pids[-2:]) if do == "offspring" else set()
    until(lambda: not mark.pids() - strays)
    LocalBackend(Limits.here(0, 1024, 2**20), warm=0).close()  # as the next server does
    until(lambda: not mark.pids())
