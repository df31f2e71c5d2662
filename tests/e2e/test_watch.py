"""Watching a job over REST: lines that arrive while it runs, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from evaluation.v1 import job_service_pb2, job_service_pb2_grpc
from tests.e2e.test_process import started
from tests.e2e.test_rest import NAIVE_TIME, Rest
from tests.endpoint import Endpoint, Hang
from tests.service import Service


@pytest.fixture
def stuck() -> Iterator[Endpoint]:
    """A model that answers three questions, and no more."""
    with Endpoint(script=[None] * 3, always=Hang()) as endpoint:
        yield endpoint


def watch(service: Service, job_id: str, **query: int) -> Iterator[dict[str, Any]]:
    """The events of a job, as they come."""
    url = f"{service.rest}/v1/evaluation/jobs/{job_id}/events"
    with requests.get(url, params=query, stream=True, timeout=30) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-ndjson"
        yield from map(json.loads, answer.iter_lines(chunk_size=None))


def test_lines_arrive_while_the_job_runs(
    service: Service, rows_file: Path, stuck: Endpoint
) -> None:
    rest, job_id = Rest(service), started(service, rows_file, stuck, parallelism=1)
    events = watch(service, job_id)
    seen = [next(events)]
    assert seen[0]["type"] == "snapshot"
    while seen[-1]["status_details"]["task_status"] != {"qa": "running"}:
        seen.append(next(events))
    # The job cannot go on by itself: whatever was read came before its end.
    status = rest("GET", f"/jobs/{job_id}/status")
    rest("POST", f"/jobs/{job_id}/cancel")
    assert set(status) == {"status", *seen[-1]["status_details"]}
    seen += events
    assert (seen[-1]["status"], seen[-1]["type"]) == ("cancelled", "state")
    for event in seen:
        assert NAIVE_TIME.fullmatch(event["at"])
        assert list(event)[:3] == ["revision", "at", "status"]
        assert event["status"] in {"running", "cancelling", "cancelled"}
    revisions = [event["revision"] for event in seen]
    assert revisions == sorted(set(revisions))

    history = rest("GET", f"/jobs/{job_id}")["state_history"]
    replayed = list(watch(service, job_id, after_revision=0))
    assert [{k: e[k] for k in ("status", "at", "attempt")} for e in replayed] == history
    for event in seen:
        left = [e for e in replayed if e["revision"] > event["revision"]]
        assert list(watch(service, job_id, after_revision=event["revision"])) == left
    [snapshot] = watch(service, job_id)
    assert snapshot == {**replayed[-1], "type": "snapshot"}


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("after_revision=99", 422, "after_revision"),
        ("after_revision=-1", 422, "after_revision"),
        ("after_revision=x", 422, "after_revision"),
        ("heartbeat_seconds=301", 422, "heartbeat_seconds"),
    ],
)
def test_bad_arguments(service: Service, query: str, status: int, named: str) -> None:
    check = {"type": "string-check", "params": {"check": ["{{ a }}", "equals", "1"]}}
    config = {"type": "custom", "tasks": {"qa": {"type": "data", "metrics": {"m": check}}}}
    body = {"target": {"type": "rows", "rows": [{"a": 1}]}, "config": config}
    rest = Rest(service)
    job_id = rest("POST", "/jobs", 201, json=body)["id"]
    assert named in str(rest("GET", f"/jobs/{job_id}/events?{query}", status)["detail"])


def test_unknown_job(service: Service) -> None:
    answer = Rest(service)("GET", "/jobs/none/events", 404)
    assert "does not exist" in answer["detail"]


def test_server_that_stops_sends_watchers_away(
    tmp_path: Path, rows_file: Path, stuck: Endpoint
) -> None:
    with Service(tmp_path, EVALD_GRACE_SECONDS="1") as service:
        job_id = started(service, rows_file, stuck, parallelism=1)
        lines = watch(service, job_id)
        next(lines)
        with grpc.insecure_channel(service.grpc) as channel:
            stub = job_service_pb2_grpc.JobServiceStub(channel)
            events = stub.WatchJob(job_service_pb2.WatchJobRequest(job_id=job_id), timeout=30)
            next(events)
            assert service.stop() == 0
            with pytest.raises(grpc.RpcError) as e:
                list(events)
    assert e.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "watch again, after revision" in e.value.details()
    assert all(line["status"] == "running" for line in lines)
