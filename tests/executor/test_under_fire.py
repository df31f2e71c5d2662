"""Whole jobs, in real children, with endpoints that do not take all that they are sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evald.executor.backend import JobSpec
from evald.executor.events import Done, Event, Failed, Log, Samples
from evald.executor.local import LocalBackend
from evald.settings import Settings
from tests.endpoint import Answer, Endpoint, Hang

Specs = Callable[..., JobSpec]

ROWS = 60


@pytest.fixture
def spec_of(tmp_path: Path) -> Specs:
    """A job that asks an endpoint about each of `rows` rows."""

    def make(
        endpoint: Endpoint, *, rows: int = ROWS, seconds: float | None = None, **params: Any
    ) -> JobSpec:
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps({"q": f"word {i}"}) + "\n" for i in range(rows)))
        same = {
            "type": "string-check",
            "params": {"check": ["{{sample.output_text}}", "equals", "{{q}}"]},
        }
        task = {
            "type": "chat-completion",
            "params": {"template": "{{ q }}"},
            "dataset": {"files_url": str(data)},
            "metrics": {"same": same},
        }
        target = {
            "type": "model",
            "model": {"api_endpoint": {"url": endpoint.url, "model_id": "m"}},
        }
        return JobSpec(
            job_id="eval-fire",
            attempt=1,
            config={"type": "custom", "params": params, "tasks": {"qa": task}},
            target=target,
            clients=Settings(data_dir=tmp_path, file_roots=(str(tmp_path),)).clients,
            seconds=seconds,
        )

    return make


def errors(said: list[Event]) -> list[str | None]:
    """The kind of error of each sample that was reported, None for those without."""
    samples = [sample for event in said if isinstance(event, Samples) for sample in event.batch]
    assert len({sample.index for sample in samples}) == len(samples)
    return [json.loads(sample.error)["kind"] if sample.error else None for sample in samples]


@pytest.mark.parametrize(
    "refusal",
    [Answer(429, after=0.05), Answer(503, headers={"Retry-After": "0.05"}, after=0.05)],
    ids=["429", "503"],
)
def test_an_endpoint_that_takes_four_at_a_time(
    backend: LocalBackend, spec_of: Specs, refusal: Answer
) -> None:
    with Endpoint(latency=0.05, capacity=4, refusal=refusal) as endpoint:
        said = list(backend.start(spec_of(endpoint, parallelism=16)).events())
        loads = [request.in_flight for request in endpoint.requests]
    assert errors(said) == [None] * ROWS
    assert isinstance(said[-1], Done)
    score = said[-1].result["tasks"]["qa"]["metrics"]["same"]["scores"]["string-check"]
    assert (score["value"], score["stats"]["count"]) == (1.0, ROWS)
    assert max(loads[:16]) > 8 >= max(loads[-ROWS // 2 :])
    assert len(loads) <= 2 * ROWS
    told = [event.message for event in said if isinstance(event, Log)]
    slowed = f"{endpoint.root} answers {refusal.status}: 8 requests at a time instead of 16"
    assert told[0] == slowed


def test_an_endpoint_that_answers_too_late(backend: LocalBackend, spec_of: Specs) -> None:
    with Endpoint(script=[Hang()] * 8) as endpoint:
        run = backend.start(spec_of(endpoint, parallelism=8, request_timeout=1))
        said = list(run.events())
    assert errors(said) == [None] * ROWS
    told = [event.message for event in said if isinstance(event, Log)]
    assert told[0] == f"{endpoint.root} does not answer in time: 4 requests at a time instead of 8"


def test_the_end_of_a_job_is_told_sample_by_sample(backend: LocalBackend, spec_of: Specs) -> None:
    """Eight are answered, four are under way when the time is over, the others are not asked."""
    with Endpoint(script=[None] * 8, always=Hang()) as endpoint:
        run = backend.start(spec_of(endpoint, rows=20, seconds=2.5, parallelism=4))
        said = list(run.events())
        assert len(endpoint.requests) == 12
    assert Counter(errors(said)) == {None: 8, "timeout": 4}
    assert isinstance(said[-1], Failed)
    assert (said[-1].error["kind"], said[-1].error["task"]) == ("deadline", "qa")
    assert "max_runtime" in said[-1].error["message"]


def test_the_last_samples_may_fail_with_the_job_completed(
    backend: LocalBackend, spec_of: Specs
) -> None:
    with Endpoint(script=[None] * 8, always=Hang()) as endpoint:
        run = backend.start(spec_of(endpoint, rows=10, seconds=2.5, parallelism=4))
        said = list(run.events())
    assert Counter(errors(said)) == {None: 8, "timeout": 2}
    assert isinstance(said[-1], Done)
    assert said[-1].result["tasks"]["qa"]["data"]["errors"] == {"timeout": 2}
