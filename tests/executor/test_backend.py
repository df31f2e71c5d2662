"""Every backend, with real children: what runs say."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from evald.executor import local
from evald.executor.backend import JobSpec
from evald.executor.events import Done, Event, Failed, Log, Progress, Samples, Task
from evald.executor.printed import LINE_LIMIT, OUTPUT_LIMIT
from tests.executor.conftest import ENVIRONMENT, AnyBackend

MakeSpec = Callable[..., JobSpec]
Until = Callable[[Callable[[], Any]], None]


def run(backend: AnyBackend, spec: JobSpec) -> list[Event]:
    return list(backend.start(spec).events())


def told(backend: AnyBackend, spec: JobSpec) -> Any:
    """What the trial flow answers."""
    last = run(backend, spec)[-1]
    assert isinstance(last, Done), last
    return last.result["told"]


def error(backend: AnyBackend, spec: JobSpec) -> dict[str, Any]:
    last = run(backend, spec)[-1]
    assert isinstance(last, Failed), last
    return dict(last.error)


def logged(events: list[Event]) -> list[str]:
    return [e.message for e in events if isinstance(e, Log)]


def test_events_come_in_order_and_batched(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = run(backend, make_spec("samples", count=250))
    samples = [s for e in said if isinstance(e, Samples) for s in e.batch]
    assert [s.index for s in samples] == list(range(250))
    assert orjson.loads(samples[7].item) == {"text": "x" * 10}
    assert orjson.loads(samples[7].scores) == {"em": {"score": 1.0}}
    assert all(len(e.batch) <= 100 for e in said if isinstance(e, Samples))
    assert said[0] == Task("qa", "running")
    assert said[-3:-1] == [Progress(250, 250), Task("qa", "completed")]
    assert said[-1] == Done({"tasks": {}, "groups": {}, "told": None})


def test_a_batch_is_not_held_back(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = run(backend, make_spec("samples", count=20, pause=0.02))
    assert len([e for e in said if isinstance(e, Samples)]) >= 3


def test_batches_are_bounded_in_bytes(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = run(backend, make_spec("samples", count=9, bytes=400_000))
    assert [len(e.batch) for e in said if isinstance(e, Samples)] == [3, 3, 3]


def test_a_row_too_large_to_keep_is_left_out(backend: AnyBackend, make_spec: MakeSpec) -> None:
    batches = [e for e in run(backend, make_spec("large")) if isinstance(e, Samples)]
    assert "left_out" in batches[0].batch[0].item


def test_a_child_runs_one_job_after_another(backend: AnyBackend, make_spec: MakeSpec) -> None:
    pids = {told(backend, make_spec("tell"))["pid"] for _ in range(3)}
    assert len(pids) == 1


def test_jobs_at_once_have_children_of_their_own(backend: AnyBackend, make_spec: MakeSpec) -> None:
    runs = [backend.start(make_spec("hang")) for _ in range(2)]
    assert runs[0].pid != runs[1].pid
    for each in runs:
        said = each.events()
        assert isinstance(next(said), Log)
        said.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("executor", ["local"], indirect=True)
@pytest.mark.parametrize("limit", ["JOBS_PER_CHILD", "RSS_LIMIT"])
def test_a_child_is_retired(
    limit: str, backend: AnyBackend, make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, limit, 1)
    pids = {told(backend, make_spec("tell"))["pid"] for _ in range(2)}
    assert len(pids) == 2


def test_a_child_sees_its_devices_only(backend: AnyBackend, make_spec: MakeSpec) -> None:
    none, one, both, again = (
        told(backend, make_spec("tell", devices=d)) for d in [(), ("0",), ("0", "1"), ("0",)]
    )
    seen = [t["devices"] for t in (none, one, both, again)]
    assert seen == ["", "0", "0,1", "0"]
    # The first child of device 0 was ended for the second, since it may have held its memory.
    assert len({t["pid"] for t in (none, one, both, again)}) == 4
    assert told(backend, make_spec("tell"))["pid"] == none["pid"]


def test_the_environment_is_scrubbed(
    backends: Callable[..., AnyBackend], make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    answer = told(backends(), make_spec("tell"))
    names = set(answer["environment"])
    assert "PATH" in names
    assert names & set(ENVIRONMENT) == {"HF_HOME", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"}
    assert [n for n in names if n.startswith("EVALD_")] == ["EVALD_CHILD"]
    assert answer["devices"] == ""


def test_a_secret_travels_by_the_pipe_only(backend: AnyBackend, make_spec: MakeSpec) -> None:
    attempt = backend.start(make_spec("hang"))
    said = attempt.events()
    next(said)
    for name in ("cmdline", "environ"):
        assert b"sesame" not in Path(f"/proc/{attempt.pid}/{name}").read_bytes()
    said.close()  # type: ignore[attr-defined]


def test_a_secret_that_the_flow_says_is_masked(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = [e for e in run(backend, make_spec("leak")) if getattr(e, "level", "") != "info"]
    assert isinstance(said[0], Samples)
    assert isinstance(said[-1], Failed)
    assert "ValueError: no ******" in logged(said)
    assert "sesame" not in str(said)


def test_standard_input_is_empty(backend: AnyBackend, make_spec: MakeSpec) -> None:
    assert told(backend, make_spec("tell"))["stdin"] == ""


def test_a_large_spec_arrives(backend: AnyBackend, make_spec: MakeSpec) -> None:
    spec = make_spec("tell", rows=["é\n" * 1000] * 2000, exact=2**70 + 1)
    assert told(backend, spec)["size"] > 4_000_000


def test_kept_samples_are_read(backend: AnyBackend, make_spec: MakeSpec, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    path.write_bytes(
        b'{"task":"other","index":0,"scores":{},"parts":{},"error":null}\n'
        b'{"task":"qa","index":4,"scores":{"em":{"score":null}},"parts":{"em":[1]},"error":null}\n'
        b'{"task":"qa","index":5,"scores":{},"parts":{},"error":{"kind":"http"}}\n'
    )
    assert told(backend, make_spec("kept", kept=path)) == [
        [4, {"em": {"score": None}}, {"em": [1]}, None],
        [5, {}, {}, {"kind": "http"}],
    ]
    assert told(backend, make_spec("kept")) == []


def test_failures_are_told(backend: AnyBackend, make_spec: MakeSpec) -> None:
    refused = {"kind": "http", "message": "HTTP 500", "task": "qa", "sample": 3}
    assert error(backend, make_spec("refuse")) == refused
    assert error(backend, make_spec("refuse_in_group")) == refused
    assert error(backend, make_spec("leave")) == {"kind": "flow", "message": "SystemExit: 3"}
    unknown = error(backend, make_spec("tell", type="trail"))
    assert unknown["kind"] == "flow"
    assert "did you mean 'trial'" in unknown["message"]


def test_odd_values_arrive_as_json(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = run(backend, make_spec("odd"))
    samples = next(e for e in said if isinstance(e, Samples))
    assert orjson.loads(samples.batch[0].item) == {"a": "?", "1": str(2**70)}
    assert orjson.loads(samples.batch[0].scores) == {"m": {"s": None}}
    last = said[-1]
    assert isinstance(last, Done)
    assert last.result["told"] == [None, "<class 'object'>", {str(2**80): "b'bytes'"}, [1]]


def test_what_is_printed_is_logged(backend: AnyBackend, make_spec: MakeSpec) -> None:
    assert logged(run(backend, make_spec("printing"))) == ["one", "two", "30%", "no end"]


def test_endless_printing_is_cut(backend: AnyBackend, make_spec: MakeSpec) -> None:
    said = run(backend, make_spec("flood", megabytes=64))
    assert isinstance(said[-1], Done)
    lines = logged(said)
    assert sum(map(len, lines)) < OUTPUT_LIMIT + 2 * LINE_LIMIT
    assert logged(run(backend, make_spec("printing"))) == ["one", "two", "30%", "no end"]


def test_threads_that_a_job_leaves_are_not_heard(backend: AnyBackend, make_spec: MakeSpec) -> None:
    children = {start_late(backend, make_spec)}
    for _ in range(5):  # Ray may choose another worker, with a child of its own
        second = backend.start(make_spec("samples", count=30, pause=0.005))
        assert "late" not in logged(list(second.events()))
        if second.pid in children:
            return
        children.add(start_late(backend, make_spec))
    pytest.fail(f"no child ran two attempts: {children}")


def start_late(backend: AnyBackend, make_spec: MakeSpec) -> int:
    """The pid of a child in which a thread goes on talking when its attempt is over."""
    first = backend.start(make_spec("late"))
    assert isinstance(list(first.events())[-1], Done)
    return first.pid


@pytest.mark.parametrize("executor", ["local"], indirect=True)
def test_warm_children_wait_from_the_start_and_are_replaced(
    backends: Callable[..., AnyBackend], make_spec: MakeSpec, mark: Any, until: Until
) -> None:
    backend = backends(warm_children=2)
    until(lambda: len(mark.pids()) == 2)
    waiting = mark.pids()
    attempt = backend.start(make_spec("samples", count=1))
    assert attempt.pid in waiting
    until(lambda: len(mark.pids()) == 3)
    assert isinstance(list(attempt.events())[-1], Done)
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in waiting))
    assert isinstance(run(backend, make_spec("samples", count=1))[-1], Done)
    until(lambda: len(mark.pids()) >= 2)
