"""Streams and files arrive as they are sent; messages in REST's words, files untouched."""

import json
import threading

import grpc
import pytest
from google.api import httpbody_pb2
from google.protobuf import timestamp_pb2
from google.rpc import status_pb2

from evaluation.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc

CHUNK = bytes(range(256)) * 256


def test_a_file_arrives_as_it_was_sent(gateway):
    body = httpbody_pb2.HttpBody(content_type="application/zip", data=CHUNK)
    gateway.stub.answers["DownloadJobResults"] = lambda request: iter([body] * 64)
    for accept in ("application/zip", "application/json", "*/*", "text/html"):
        answer = gateway.get("/jobs/eval-1/download-results", headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        assert answer.content == CHUNK * 64


def test_a_file_of_json_is_not_touched(gateway):
    text = b'{"status": "JOB_STATUS_CREATED",  "created_at": "2025-01-01T00:00:00Z"}'
    body = httpbody_pb2.HttpBody(content_type="application/json", data=text)
    gateway.stub.answers["DownloadJobLogs"] = lambda request: iter([body])
    assert gateway.get("/jobs/eval-1/logs").content == text


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("WatchJob", "events", job_pb2.JobEvent(revision=1)),
        (
            "DownloadJobResults",
            "download-results",
            httpbody_pb2.HttpBody(content_type="application/zip", data=b"PK"),
        ),
    ],
)
def test_a_stream_is_delivered_while_it_lasts(gateway, method, path, message):
    received = threading.Event()

    def send(request):
        yield message
        # The second message is made only when the first one has been read by the caller.
        assert received.wait(10)
        yield message

    gateway.stub.answers[method] = send
    with gateway.get(f"/jobs/eval-1/{path}", stream=True) as answer:
        chunks = answer.iter_content(None)
        first = next(chunks)
        received.set()
        assert b"".join(chunks) == first


def test_events_are_lines_in_rest_s_words(gateway):
    details = job_pb2.JobStatusDetails(message="a\nb", task_status={"qa": 2})
    at = timestamp_pb2.Timestamp(seconds=1)
    gateway.stub.answers["WatchJob"] = lambda request: iter(
        [
            job_pb2.JobEvent(revision=1, status=1, type=1, at=at),
            job_pb2.JobEvent(revision=2, status=3, type=3, status_details=details, attempt=1),
        ]
    )
    answer = gateway.get("/jobs/eval-1/events?after_revision=0&heartbeat_seconds=5")
    assert answer.headers["content-type"] == "application/x-ndjson"
    at = "1970-01-01T00:00:01.000000"
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"revision": 1, "at": at, "status": "created", "type": "snapshot", "attempt": 0},
        {
            "revision": 2,
            "status": "running",
            "status_details": {
                "message": "a\nb",
                "task_status": {"qa": "running"},
                "progress": None,
            },
            "type": "progress",
            "attempt": 1,
        },
    ]
    asked = gateway.stub.request
    assert asked.HasField("after_revision")
    assert (asked.after_revision, asked.heartbeat_seconds) == (0, 5)


def test_events_of_any_size_come_whole(gateway):
    """Long ones come in many frames, short ones many in one."""
    texts = ["x" * (40 << (n % 14)) for n in range(40)] + ["y" * (3 << 20)] + ["z"] * 100
    events = [job_pb2.JobEvent(error=job_pb2.JobError(message=text)) for text in texts]
    gateway.stub.answers["WatchJob"] = lambda request: iter(events)
    answer = gateway.get("/jobs/eval-1/events")
    lines = answer.text.splitlines()
    assert [json.loads(line)["error"]["message"] for line in lines] == texts


def test_a_stream_that_fails_at_once_is_an_error(gateway):
    gateway.stub.answers["WatchJob"] = status_pb2.Status(code=5, message="no such job")
    answer = gateway.get("/jobs/eval-1/events")
    assert (answer.status_code, answer.json()["detail"]) == (404, "no such job")
    assert answer.headers["content-type"] == "application/json"


def test_a_stream_that_fails_later_keeps_what_it_has_sent(gateway):
    def send(request):
        yield job_pb2.JobEvent(revision=1)
        raise RuntimeError

    gateway.stub.answers["WatchJob"] = send
    answer = gateway.get("/jobs/eval-1/events")
    assert [json.loads(line)["revision"] for line in answer.text.splitlines()] == [1]


def test_a_stream_with_nothing_in_it(gateway):
    gateway.stub.answers["WatchJob"] = lambda request: iter([])
    answer = gateway.get("/jobs/eval-1/events")
    assert (answer.status_code, answer.text) == (200, "")


def test_grpc_callers_are_served_on_the_same_port(gateway):
    """Nothing of the dialect touches them."""
    gateway.stub.answers["GetJob"] = job_pb2.Job(id="eval-1", status=job_pb2.JOB_STATUS_PENDING)
    gateway.stub.answers["WatchJob"] = lambda request: iter([job_pb2.JobEvent(revision=1)] * 2)
    with grpc.insecure_channel(gateway.origin.removeprefix("http://")) as channel:
        jobs = job_service_pb2_grpc.JobServiceStub(channel)
        job = jobs.GetJob(job_service_pb2.GetJobRequest(job_id="eval-1"), timeout=10)
        assert job == gateway.stub.answers["GetJob"]
        events = jobs.WatchJob(job_service_pb2.WatchJobRequest(job_id="eval-1"), timeout=10)
        assert len(list(events)) == 2
