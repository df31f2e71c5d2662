"""Attempts and the executor, on a real store and a backend whose runs are scripted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from evald.domain.attempts import Fence
from evald.domain.devices import GIB, Device, Need
from evald.domain.states import FINAL, JobStatus
from evald.errors import InvalidArgument
from evald.executor import events
from evald.executor.backend import ChildDied
from evald.executor.gpus import Gpus, discover, within
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


def test_job_completes_and_leaves_its_files(bench: Callable[..., Bench]) -> None:
    b = bench(complete)
    job = b.await_status(b.create(), "completed")
    assert job["status_details"]["task_status"] == {"qa": "completed"}
    assert job["status_details"]["samples_processed"] == 2
    assert b.history(job["id"]) == ["created", "running", "completed"]
    folder = b.artifacts.root / job["id"]
    results = orjson.loads((folder / "results.json").read_bytes())
    assert results == {
        "qa": [
            {
                "item": {"i": i},
                "sample": None,
                "metrics": {"m": {"scores": {"s": {"value": 1.0, "stats": None}}}},
            }
            for i in (0, 1)
        ]
    }
    assert "INFO hello" in (folder / "logs" / "job.log").read_text()
    b.executor.stop(0)
    assert not (b.settings.data_dir / "runs" / job["id"]).exists()


def test_flow_that_gives_up_fails_the_job(bench: Callable[..., Bench]) -> None:
    def give_up(run: Script) -> Iterator[events.Event]:
        yield events.Task("qa", "running")
        yield events.Failed({"kind": "dataset", "message": "it is empty", "task": "qa"})

    b = bench(give_up)
    job = b.await_status(b.create(), *FINAL)
    assert job["status"] == "failed"
    assert job["error"] == {"kind": "dataset", "message": "it is empty", "task": "qa"}
    assert job["status_details"]["task_status"] == {"qa": "failed"}


def test_job_that_cannot_be_launched_says_so(bench: Callable[..., Bench]) -> None:
    b = bench(complete)
    job = b.await_status(b.create(description="locked"), *FINAL)
    assert job["status"] == "failed"
    assert job["status_details"]["message"] == "Job failed to launch"
    assert job["error"]["kind"] == "secret"
    assert not b.backend.runs


def test_cancel_ends_the_run(bench: Callable[..., Bench]) -> None:
    b = bench(hang)
    job_id = b.create()
    b.await_status(job_id, "running")
    assert b.store.jobs.cancel(job_id)["status"] == "cancelling"
    b.executor.cancel(job_id)
    b.await_status(job_id, "cancelled")
    assert b.history(job_id) == ["created", "running", "cancelling", "cancelled"]


def test_cancel_through_another_server_is_noticed(bench: Callable[..., Bench]) -> None:
    b = bench(hang, lease_seconds=0.6)
    job_id = b.create()
    b.await_status(job_id, "running")
    b.store.jobs.cancel(job_id)
    b.await_status(job_id, "cancelled")


def test_job_that_runs_too_long_is_ended(bench: Callable[..., Bench]) -> None:
    b = bench(hang, max_runtime=0.1)
    job = b.await_status(b.create(), *FINAL)
    assert job["status"] == "failed"
    assert job["error"]["kind"] == "deadline"


def test_job_whose_child_died_is_tried_again(bench: Callable[..., Bench]) -> None:
    def die_once(run: Script) -> Iterator[events.Event]:
        if run.spec.attempt == 1:
            yield events.Samples([scored(0)])
            raise ChildDied("crash", "the child was ended by SIGSEGV")
        kept = run.spec.kept
        assert kept is not None
        assert orjson.loads(kept.read_bytes()) == {
            "task": "qa", "index": 0, "scores": {"m": {"s": 1.0}}, "parts": {}, "error": None,
            "sample": None,
        }  # fmt: skip
        yield events.Samples([scored(1)])
        yield events.Done({"tasks": {}, "groups": {}})

    b = bench(die_once)
    job = b.await_status(b.create(), *FINAL)
    assert job["status"] == "completed"
    assert job["attempts"] == 2
    assert b.history(job["id"]) == ["created", "running", "pending", "running", "completed"]
    assert b.store.samples.count(job["id"]) == 2


def test_whoever_sees_that_the_last_attempt_died_finds_its_files(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(run: Script) -> Iterator[events.Event]:
        yield events.Samples([scored(0)])
        raise ChildDied("crash", "the child was ended by SIGSEGV")

    found: list[list[str]] = []

    def release(*args: Any, **kwargs: Any) -> JobStatus:
        found.append(sorted(path.name for path in b.artifacts.root.glob("*/*")))
        return released(*args, **kwargs)

    b = bench(die, max_attempts=2)
    released = b.store.queue.release
    monkeypatch.setattr(b.store.queue, "release", release)
    job = b.await_status(b.create(), *FINAL)
    assert (job["status"], job["error"]["kind"]) == ("failed", "crash")
    assert found[0] == []
    assert {"error.json", "logs"} <= set(found[1])


def test_attempt_that_was_overtaken_writes_nothing_more(bench: Callable[..., Bench]) -> None:
    go_on = Event()

    def slow(run: Script) -> Iterator[events.Event]:
        if run.spec.attempt == 1:
            assert go_on.wait(20)
            yield events.Samples([scored(0)])
        yield events.Done({"tasks": {}, "groups": {}})

    b = bench(slow)
    job_id = b.create()
    b.await_status(job_id, "running")
    assert b.store.queue.rescue(worker="w") == [job_id]
    go_on.set()
    job = b.await_status(job_id, *FINAL)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert b.store.samples.count(job_id) == 0


def test_job_whose_attempt_could_not_give_it_back_is_rescued(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(complete, lease_seconds=0.6)
    broken = iter([True, True])

    def breaking(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            if next(broken, False):
                raise RuntimeError("a mistake of ours")
            return original(*args, **kwargs)

        return write

    monkeypatch.setattr(b.store.samples, "record", breaking(b.store.samples.record))
    monkeypatch.setattr(b.store.queue, "release", breaking(b.store.queue.release))
    job = b.await_status(b.create(), *FINAL)
    assert (job["status"], job["attempts"]) == ("completed", 2)


def test_drain_gives_jobs_back(bench: Callable[..., Bench]) -> None:
    b = bench(hang)
    job_id = b.create()
    b.await_status(job_id, "running")
    b.executor.stop(0)
    assert b.store.jobs.get(job_id)["status"] == "pending"
    b.backend.say = complete
    b.executor = b.make_executor()
    b.executor.start()
    assert b.await_status(job_id, *FINAL)["status"] == "completed"


def test_drain_lets_jobs_end_and_begins_none(bench: Callable[..., Bench]) -> None:
    go_on = Event()

    def say(run: Script) -> Iterator[events.Event]:
        assert go_on.wait(20)
        yield from complete(run)

    b = bench(say)
    first = b.create()
    b.await_status(first, "running")
    drain = Thread(target=b.executor.stop, args=[20])
    drain.start()
    b.executor._placer.join(20)
    second = b.create()
    b.executor.wake()
    go_on.set()
    drain.join(20)
    assert b.history(first) == ["created", "running", "completed"]
    assert b.history(second) == ["created"]


def test_server_that_died_takes_up_its_jobs_when_it_starts(bench: Callable[..., Bench]) -> None:
    b = bench(complete)
    b.executor.stop(0)
    job_id = b.create()
    b.store.queue.claim(job_id, "w", devices=[], lease_seconds=1000, files_url="x")
    b.executor = b.make_executor()
    b.executor.start()
    b.await_status(job_id, "completed")


REAL = within(discover(), os.environ.get("CUDA_VISIBLE_DEVICES"))[:1]


@pytest.fixture(params=["1x80", *REAL], ids=lambda p: p if isinstance(p, str) else "real")
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """EVALD_GPUS for one GPU: a simulated one, and where there is one a real one."""
    if isinstance(request.param, str):
        return request.param
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", request.param.uuid)
    return "auto"


def test_jobs_on_one_gpu_run_one_after_the_other(bench: Callable[..., Bench], gpu: str) -> None:
    b = bench(hang, gpus=gpu)
    [device] = b.gpus.devices
    first, second = b.create(gpus=1, gpu_memory=1), b.create(gpus=1, gpu_memory=1)
    b.await_status(first, "running")
    assert b.await_status(second, "pending")["status_details"]["message"] == "Job is pending"
    [queued] = b.describe()["queue"]
    assert (queued["job"], queued["reason"]) == (second, "needs 1 GPU of 1 GiB, 0 free")
    b.await_runs(1)  # one that is cancelled before it began makes no run
    b.store.jobs.cancel(first)
    b.executor.cancel(first)
    b.await_status(second, "running")
    assert [run.spec.devices for run in b.await_runs(2)] == [(device.visible,)] * 2
    assert b.history(second) == ["created", "pending", "running"]


def test_jobs_share_a_gpu_that_has_room_for_both(bench: Callable[..., Bench], gpu: str) -> None:
    b = bench(hang, gpus=gpu, gpu_sharing=True)
    [device] = b.gpus.devices
    half = device.memory_mib // 2 / GIB
    jobs = [b.create(gpus=1, gpu_memory=half) for _ in range(2)]
    for job_id in jobs:
        b.await_status(job_id, "running")
    third = b.create(gpus=1)
    b.await_status(third, "pending")
    assert [run.spec.devices for run in b.await_runs(2)] == [(device.visible,)] * 2
    shown = b.describe()
    assert [d["id"] for d in shown["devices"]] == [device.uuid]
    assert shown["devices"][0]["free_memory"] == pytest.approx(0, abs=0.1)
    assert {lease["job"] for lease in shown["leases"]} == set(jobs)
    assert [lease["devices"] for lease in shown["leases"]] == [[device.uuid]] * 2
    assert shown["queue"][0]["reason"] == "needs 1 GPU, 0 free"
    for job_id in jobs:
        b.store.jobs.cancel(job_id)
    b.await_status(third, "running")


def test_more_memory_than_a_gpu_has_is_refused(bench: Callable[..., Bench], gpu: str) -> None:
    with pytest.raises(InvalidArgument, match=r"params\.gpu_memory: .* the largest, .* has \d+"):
        bench(hang, gpus=gpu).executor.check(Need(1, 2000 * GIB))


def test_jobs_on_two_gpus_run_side_by_side_each_on_its_own(bench: Callable[..., Bench]) -> None:
    b = bench(hang, gpus="2")
    jobs = [b.create(gpus=1), b.create(gpus=1)]
    for job_id in jobs:
        b.await_status(job_id, "running")
        assert b.history(job_id) == ["created", "running"]
    assert sorted(run.spec.devices for run in b.await_runs(2)) == [("0",), ("1",)]


def test_job_that_needs_no_gpu_passes_one_that_waits_for_it(bench: Callable[..., Bench]) -> None:
    b = bench(hang, gpus="1")
    b.await_status(b.create(gpus=1), "running")
    b.await_status(b.create(gpus=1), "pending")
    b.await_status(b.create(), "running")


def test_job_that_another_server_cancels_ends(bench: Callable[..., Bench]) -> None:
    b = bench(hang)
    job_id = b.create()
    b.await_runs(1)
    b.store.jobs.cancel(job_id)
    b.await_status(job_id, "cancelled")


def test_server_is_known_while_it_runs(bench: Callable[..., Bench]) -> None:
    b = bench(hang, gpus="1", lease_seconds=0.3)
    [seen] = b.store.fleet.servers()
    assert (seen.id, seen.devices) == ("w", b.gpus.devices)
    deadline = time.monotonic() + 20
    while (now := b.store.fleet.servers()) in ([seen], []):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [server.id for server in now] == ["w"]
    b.executor.stop(0)
    assert b.store.fleet.servers() == []


def test_server_that_leases_the_same_gpus_is_told_of(bench: Callable[..., Bench]) -> None:
    b = bench(hang)
    b.executor.stop(0)
    b.gpus.replace([Device(0, "GPU-0", "a GPU", 1000)])
    server = replace(b.server(), devices=b.gpus.devices)
    for other, warnings in (("w", []), ("other", [["GPU-0"]])):
        b.store.fleet.renew(replace(server, id=other), seconds=30)
        b.executor = b.make_executor(server)
        with capture_logs() as lines:
            b.executor.start()
        b.executor.stop(0)
        told = [line["gpus"] for line in lines if line["log_level"] == "warning"]
        assert told == warnings


def test_gpus_of_another_server_will_do(bench: Callable[..., Bench]) -> None:
    b = bench(hang, gpus="1")
    other = replace(b.server("other"), devices=Gpus("4x80").devices)
    b.store.fleet.renew(other, seconds=30)
    b.executor.check(Need(4, 80 * GIB))
    with pytest.raises(InvalidArgument, match="5 GPUs are asked for, and no server has more than"):
        b.executor.check(Need(5))


def test_more_gpus_than_there_are_is_refused(bench: Callable[..., Bench]) -> None:
    with pytest.raises(InvalidArgument, match=r"params\.gpus"):
        bench(hang, gpus="1").executor.check(Need(2))


def test_a_namespace_runs_no_more_than_its_cap(bench: Callable[..., Bench]) -> None:
    b = bench(hang, namespace_slots=1)
    first, second = b.create(), b.create()
    b.await_status(first, "running")
    b.await_status(second, "pending")
    b.store.jobs.cancel(first)
    b.executor.cancel(first)
    b.await_status(second, "running")


def test_slots_bound_what_runs(bench: Callable[..., Bench]) -> None:
    b = bench(hang, slots=2)
    jobs = [b.create() for _ in range(3)]
    b.await_status(jobs[2], "pending")
    assert len(b.await_runs(2)) == 2


def test_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evald.executor.output.LOG_LIMIT", 1000)
    output = Output(Fence("j", 1, "w"), Runs(tmp_path), Folder(tmp_path), {}, str)
    output.open()
    for _ in range(1000):
        output.log(0.0, "info", "x" * 100)
    output.close()
    text = (tmp_path / "j" / "1" / LOG_PATH).read_text()
    assert len(text) < 1200
    assert "the log is full" in text
