"""Databases that are away, disks that are full, and attempts that come too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from evald.domain.attempts import Claim, Fence
from evald.domain.states import FINAL
from evald.errors import EvaluationError, Unavailable, Uncertain
from evald.executor import events
from evald.executor.attempt import Attempt
from evald.executor.backend import JobSpec
from evald.executor.executor import Executor
from evald.executor.output import Output
from evald.executor.runs import LOG_PATH, Runs
from tests.executor.bench import (
    Bench,
    Folder,
    Script,
    complete,
    hang,
    scored,
)


class Away:
    """A part of the store that cannot be reached while `at` is set."""

    def __init__(self, part: Any, at: Event) -> None:
        self._part = part
        self._at = at

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._at.is_set():
                raise Unavailable("the database cannot be used now")
            return method(*args, **kwargs)

        return call


@pytest.mark.parametrize("at", ["start", "samples", "end"])
def test_an_outage_of_the_database_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The last run that is allowed goes on when the database is back."""
    away, begun = Event(), Event()

    def say(run: Script) -> Iterator[events.Event]:
        for here in ("samples", "end"):
            if here == at:
                away.set()
                begun.set()
            if here == "samples":
                yield events.Samples([scored(0)])
        yield events.Done({"tasks": {"qa": {"metrics": {}}}})

    b = Bench(tmp_path, say, gpus="none", max_attempts=1, lease_seconds=0.6)
    reach = Away(b.store.queue, away), Away(b.store.samples, away)
    made = b.attempt

    def attempt(claim: Claim, devices: tuple[str, ...]) -> Attempt:
        if at == "start":
            away.set()
            begun.set()
        whole = made(claim, devices)
        monkeypatch.setattr(whole, "_queue", reach[0])
        monkeypatch.setattr(whole, "_samples", reach[1])
        return whole

    b.executor = Executor(
        reach[0],
        b.gpus,
        attempt,
        b.artifacts.url,
        b.store.fleet,
        server=b.server(),
        lease_seconds=0.6,
    )
    b.executor.start()
    try:
        job_id = b.create()
        assert begun.wait(20)
        time.sleep(1)
        assert b.store.jobs.get(job_id)["status"] == "running"
        away.clear()
        job = b.await_status(job_id, *FINAL)
        assert (job["status"], job["attempts"]) == ("completed", 1)
        assert b.store.samples.count(job_id) == 1
    finally:
        away.clear()
        b.executor.stop(0)
        b.store.close()


def test_a_drain_does_not_wait_for_the_database(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    away, begun = Event(), Event()

    def say(run: Script) -> Iterator[events.Event]:
        away.set()
        begun.set()
        yield events.Samples([scored(0)])

    b = bench(say)
    for part in ("queue", "samples"):
        monkeypatch.setattr(b.store, part, Away(getattr(b.store, part), away))
    job_id = b.create()
    assert begun.wait(20)
    began = time.monotonic()
    b.executor.stop(0)
    assert time.monotonic() - began < 5
    away.clear()
    assert b.store.jobs.get(job_id)["status"] == "running"  # until its lease runs out


def refuse_for_a_while(b: Bench, monkeypatch: pytest.MonkeyPatch) -> Event:
    """Nothing can be run until the event that it answers is set."""
    back, start = Event(), b.backend.start

    def start_when_back(spec: JobSpec) -> Script:
        if not back.is_set():
            raise Unavailable("Ray is away")
        return start(spec)

    monkeypatch.setattr(b.backend, "start", start_when_back)
    return back


def test_a_job_waits_until_runs_can_be_started(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while Ray's head is away, or no process can be started: that costs no run, and none of
    the time that the job may run."""
    b = bench(complete, max_attempts=1, max_runtime=1)
    back = refuse_for_a_while(b, monkeypatch)
    job_id = b.create()
    b.await_status(job_id, "running")
    time.sleep(2)
    back.set()
    job = b.await_status(job_id, *FINAL)
    assert (job["status"], job["attempts"]) == ("completed", 1)


def test_a_job_whose_run_cannot_be_started_can_be_ended(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(complete, max_attempts=1, slots=2)
    refuse_for_a_while(b, monkeypatch)
    cancelled, drained = b.create(), b.create()
    for job_id in (cancelled, drained):
        b.await_status(job_id, "running")
    b.store.jobs.cancel(cancelled)
    b.await_status(cancelled, "cancelled")
    b.executor.stop(0)
    assert b.history(drained)[-1] == "pending"


@pytest.mark.parametrize("reason", ["cancelled", "deadline"])
def test_what_was_ended_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr("evald.executor.attempt.LAST_SECONDS", 0.2)
    b = Bench(tmp_path, hang, gpus="none")
    away = Event()
    for part in ("queue", "samples"):
        monkeypatch.setattr(b.store, part, Away(getattr(b.store, part), away))
    attempt = b.claimed(b.create(), "w")
    thread = threading.Thread(target=attempt.run)
    thread.start()
    b.await_runs(1)
    away.set()
    attempt.stop(reason)
    thread.join(10)
    assert not thread.is_alive()
    b.store.close()


@pytest.mark.parametrize(
    ("cause", "status", "said"),
    [
        (OSError(24, "Too many open files"), "completed", None),
        (EvaluationError("secret", "env:KEY is not set"), "failed", "Job failed to launch"),
    ],
)
def test_an_attempt_that_cannot_be_made_keeps_no_gpu(
    tmp_path: Path, cause: Exception, status: str, said: str | None
) -> None:
    b = Bench(tmp_path, complete, gpus="1")
    made, causes = b.attempt, [cause]

    def attempt(claim: Claim, devices: tuple[str, ...]) -> Attempt:
        if causes:
            raise causes.pop()
        return made(claim, devices)

    b.attempt = attempt  # type: ignore[method-assign]
    b.executor = b.make_executor()
    b.executor.start()
    try:
        job = b.await_status(b.create(gpus=1), *FINAL)
        assert job["status"] == status
        assert said is None or job["status_details"]["message"] == said
        deadline = time.monotonic() + 10
        while not b.gpus.free:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        b.executor.stop(0)
        b.store.close()


def test_a_claim_of_which_nobody_heard_costs_no_run(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database breaks off while it commits a claim, having done so."""
    b = bench(complete, max_attempts=1, gpus="1")
    claim, claimed = b.store.queue.claim, Event()

    def claim_unheard(*args: Any, **kwargs: Any) -> Claim | None:
        answer = claim(*args, **kwargs)
        if not claimed.is_set():
            claimed.set()
            raise Uncertain("the connection broke")
        return answer

    monkeypatch.setattr(b.store.queue, "claim", claim_unheard)
    job = b.await_status(b.create(gpus=1), *FINAL)
    assert job["status"] == "completed"
    assert b.history(job["id"]) == ["created", "running", "pending", "running", "completed"]


def test_a_job_that_comes_back_ends_its_attempt_of_before(bench: Callable[..., Bench]) -> None:
    """Another server rescued it, and this one claims it again before it has noticed."""
    go_on = Event()

    def say(run: Script) -> Iterator[events.Event]:
        if run.spec.attempt == 1:
            run.stopped.wait(20)
            return
        assert go_on.wait(20)
        yield events.Done({"tasks": {"qa": {"metrics": {}}}})

    b = bench(say, lease_seconds=0.6)
    job_id = b.create()
    first = b.await_runs(1)[0]
    assert b.store.queue.rescue(worker="w") == [job_id]
    b.await_runs(2)
    assert first.stopped.wait(10)
    time.sleep(1.2)  # two leases, which somebody has to renew
    go_on.set()
    job = b.await_status(job_id, *FINAL)
    assert (job["status"], job["attempts"]) == ("completed", 2)


def test_files_of_an_overtaken_attempt_replace_none(tmp_path: Path) -> None:
    late = Event()

    def say(run: Script) -> Iterator[events.Event]:
        if run.spec.attempt == 1:
            assert late.wait(20)
        yield events.Done({"tasks": {"qa": {"metrics": {}, "data": {"of": run.spec.attempt}}}})

    b = Bench(tmp_path, say, gpus="none")
    job_id = b.create()
    first = threading.Thread(target=b.claimed(job_id, "w").run)
    first.start()
    b.await_runs(1)
    b.store.queue.rescue(worker="w")
    b.claimed(job_id, "another").run()
    late.set()
    first.join(10)
    result = orjson.loads((b.artifacts.root / job_id / "result.json").read_bytes())
    assert result["tasks"]["qa"]["data"] == {"of": 2}
    assert b.store.jobs.get(job_id)["status"] == "completed"
    b.store.close()


@pytest.mark.parametrize("fault", [OSError("no such file"), Unavailable("away")])
def test_a_fault_of_an_overtaken_attempt_is_the_loss_of_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The attempt that overtook it has the job's files, and may have ended."""
    b = Bench(tmp_path, lambda run: iter([events.Samples([scored(0)])]), gpus="none")
    attempt = b.claimed(b.create(), "w")

    def record(*_: Any) -> None:
        b.store.queue.rescue(worker="w")
        if isinstance(fault, Unavailable):
            attempt.stop("lost")  # as the keeper does
        raise fault

    monkeypatch.setattr(b.store.samples, "record", record)
    with capture_logs() as lines:
        attempt.run()
    assert [line["event"] for line in lines if line["log_level"] != "info"][-1] == "lease lost"
    assert not [line for line in lines if line["log_level"] == "error"]
    b.store.close()


@pytest.mark.parametrize(
    ("reason", "grace", "seconds"),
    [("cancelled", 5, 4.0), ("cancelled", 60, 8.0), ("drained", 10, 1.0), ("drained", 60, 6.0)],
)
def test_a_run_that_is_told_to_end_gets_a_part_of_the_grace_time(
    tmp_path: Path, reason: str, grace: float, seconds: float
) -> None:
    b = Bench(tmp_path, hang, gpus="none")
    attempt = b.claimed(b.create(), "w")
    attempt._grace = grace
    thread = threading.Thread(target=attempt.run)
    thread.start()
    [run] = b.await_runs(1)
    attempt.stop(reason)
    thread.join(10)
    assert run.grace == seconds
    b.store.close()


def test_a_log_without_room_is_cut(tmp_path: Path) -> None:
    output = Output(Fence("j", 1, "w"), Runs(tmp_path), Folder(tmp_path / "files"), {}, str)
    (tmp_path / "j" / "1" / LOG_PATH).parent.mkdir(parents=True)
    (tmp_path / "j" / "1" / LOG_PATH).symlink_to("/dev/full")
    output.open()
    output.log(0.0, "info", "hello")
    output.close()
