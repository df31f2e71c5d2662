"""How errors look, whoever makes them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from requests import ConnectionError

from evald.envoy import Envoy, private_folder
from evald.errors import Unavailable
from evald.settings import Settings
from tests.ports import free_port


def status(code, message, *details):
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code, message=message, details=packed)


def violations(*fields):
    return error_details_pb2.BadRequest(
        field_violations=[{"field": field, "description": f"{field} is wrong"} for field in fields]
    )


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        (code_pb2.INVALID_ARGUMENT, 400),
        (code_pb2.UNAUTHENTICATED, 401),
        (code_pb2.PERMISSION_DENIED, 403),
        (code_pb2.NOT_FOUND, 404),
        (code_pb2.ALREADY_EXISTS, 409),
        (code_pb2.ABORTED, 409),
        (code_pb2.RESOURCE_EXHAUSTED, 429),
        (code_pb2.INTERNAL, 500),
        (code_pb2.UNIMPLEMENTED, 501),
        (code_pb2.UNAVAILABLE, 503),
        (code_pb2.DEADLINE_EXCEEDED, 504),
    ],
)
def test_a_grpc_error_has_a_detail(gateway, code, http_status):
    gateway.stub.answers["GetJob"] = status(code, 'no "such" thing: é')
    answer = gateway.get("/jobs/eval-1")
    assert answer.status_code == http_status
    expected = {"detail": 'no "such" thing: é', "code": code, "message": 'no "such" thing: é'}
    assert answer.json() == expected | {"details": []}
    final = http_status in {409, 500, 501, 504}
    assert answer.headers.get("x-should-retry") == ("false" if final else None)
    shows = "Bearer" if http_status == 401 else None
    assert answer.headers.get("www-authenticate") == shows


@pytest.mark.parametrize(("delay", "header"), [(1.0, "1"), (2.25, "3"), (0, "0")])
def test_when_to_try_again_is_a_header(gateway, delay, header):
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(int(delay * 1000))
    gateway.stub.answers["GetJob"] = status(code_pb2.UNAVAILABLE, "busy", retry)
    answer = gateway.get("/jobs/eval-1")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, header)
    assert "x-should-retry" not in answer.headers


def test_field_violations_are_a_422_with_rest_paths(gateway):
    gateway.stub.answers["CreateJob"] = status(
        code_pb2.INVALID_ARGUMENT,
        "bad request",
        violations(
            "job.inline_target.inline_model.api_endpoint.url",
            "inline_config.tasks.qa.params.template",
            "target.rows[2].question",
            "request_id",
        ),
    )
    answer = gateway.post("/jobs", {})
    assert answer.status_code == 422
    assert [reason["loc"] for reason in answer.json()["detail"]] == [
        ["body", "target", "model", "api_endpoint", "url"],
        ["body", "config", "tasks", "qa", "params", "template"],
        ["body", "target", "rows", 2, "question"],
        ["query", "request_id"],
    ]
    first = answer.json()["detail"][0]
    assert first["msg"] == "job.inline_target.inline_model.api_endpoint.url is wrong"
    assert first["type"] == "value_error"
    assert answer.json()["code"] == code_pb2.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("verb", "method", "path", "field", "loc"),
    [
        ("GET", "ListJobs", "/jobs", "page_size", ["query", "page_size"]),
        (
            "GET",
            "ListJobs",
            "/jobs",
            "filter.inline_target.name",
            ["query", "filter", "target", "name"],
        ),
        ("GET", "GetJob", "/jobs/x", "job_id", ["path", "job_id"]),
        ("POST", "CompareJobs", "/jobs:compare", "baseline_job_id", ["body", "baseline_job_id"]),
        ("PATCH", "UpdateTarget", "/targets/a/b", "target.type", ["body", "type"]),
        ("PATCH", "UpdateTarget", "/targets/a/b", "type", ["body", "type"]),
        ("PATCH", "UpdateTarget", "/targets/a/b", "name", ["body", "name"]),
        ("PATCH", "UpdateTarget", "/targets/a/b", "update_mask", ["query", "update_mask"]),
        ("POST", "CreateJob", "/jobs", "", ["body"]),
    ],
)
def test_a_violation_is_where_the_caller_wrote_it(gateway, verb, method, path, field, loc):
    gateway.stub.answers[method] = status(code_pb2.INVALID_ARGUMENT, "m", violations(field))
    answer = gateway.send(verb, path, None if verb == "GET" else {})
    assert answer.json()["detail"][0]["loc"] == loc


def test_an_error_may_ask_for_its_http_status(gateway):
    info = error_details_pb2.ErrorInfo(reason="IN_USE", metadata={"http_status": "409"})
    gateway.stub.answers["DeleteTarget"] = status(code_pb2.FAILED_PRECONDITION, "in use", info)
    answer = gateway.send("DELETE", "/targets/s/n")
    assert (answer.status_code, answer.json()["detail"]) == (409, "in use")
    assert answer.headers["x-should-retry"] == "false"


def test_a_stream_that_fails_at_once_is_an_error_like_others(gateway):
    for method, path in (("DownloadJobResults", "download-results"), ("WatchJob", "events")):
        gateway.stub.answers[method] = status(code_pb2.NOT_FOUND, "no job")
        answer = gateway.get(f"/jobs/eval-1/{path}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "no job")


def test_an_unknown_path_or_verb(gateway):
    answer = gateway.get("/jbos")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found", "code": 5})
    answer = gateway.send("PUT", "/jobs/eval-1")
    assert (answer.status_code, answer.json()) == (
        405,
        {"detail": "Method Not Allowed", "code": 12},
    )
    assert answer.headers["allow"] == "GET, DELETE"
    # A slash at the end is the same path, an empty segment is none.
    assert gateway.get("/jobs/").status_code == 200
    assert gateway.get("/jobs//").status_code == 404
    assert gateway.get("/targets//n").status_code == 404


def test_what_envoy_refuses_before_the_dialect_is_json_too(gateway):
    answer = gateway.get("/jobs?sort=" + "x" * 100_000)
    assert answer.status_code == 431
    assert answer.json() == {"detail": "The URL or the headers are too long.", "code": 3}


def test_no_header_speaks_of_grpc(gateway):
    gateway.stub.answers["GetTarget"] = status(code_pb2.NOT_FOUND, "no target")
    for path in ("/jobs", "/jobs/x", "/jobs/x/logs", "/targets/a/b"):
        answer = gateway.get(path)
        assert [name for name in answer.headers if name.startswith("grpc")] == []


def test_every_answer_carries_a_request_id(gateway):
    answers = [gateway.get("/jobs"), gateway.get("/jbos"), gateway.get("/jobs?page=x")]
    assert all(len(answer.headers["x-request-id"]) == 36 for answer in answers)
    sent = gateway.stub.metadata.pop()["x-request-id"]
    assert sent == answers[0].headers["x-request-id"]
    answer = gateway.get("/jobs", headers={"X-Request-Id": "mine"})
    assert answer.headers["x-request-id"] == gateway.stub.metadata.pop()["x-request-id"] == "mine"


def test_health_follows_the_server(gateway):
    url = f"{gateway.origin}/health"
    assert gateway.session.get(url).json() == {"status": "ok"}

    def wait_for(http_status):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            answer = gateway.session.get(url)
            if answer.status_code == http_status:
                return answer.json()
            time.sleep(0.05)
        raise AssertionError(f"/health never answered {http_status}")

    try:
        gateway.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        assert wait_for(503) == {"detail": "The gRPC server is not serving.", "code": 14}
    finally:
        gateway.health.set("", health_pb2.HealthCheckResponse.SERVING)
        assert wait_for(200) == {"status": "ok"}


def test_without_a_server_requests_are_503(gateway, tmp_path):
    """A server that is not there from the start, so that the start itself fails."""
    settings = Settings(rest_port=free_port())
    with private_folder() as folder, ThreadPoolExecutor(1) as pool:
        envoy = Envoy(settings, folder, log_path=tmp_path / "log", threads=1)
        starting = pool.submit(envoy.start, timeout=2)
        origin = f"http://127.0.0.1:{settings.rest_port}"
        answers = [
            patient(gateway.session, f"{origin}{path}")
            for path in ("/health", "/v1/evaluation/jobs")
        ]
        with pytest.raises(Unavailable, match="the gateway did not start"):
            starting.result()
    assert not envoy.alive
    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.json()["detail"] for answer in answers] == [
        "The gRPC server is not serving.",
        "The gRPC server cannot be reached.",
    ]
    assert answers[1].headers["retry-after"] == "1"
    assert "x-should-retry" not in answers[1].headers


def patient(session, url):
    """Ask again until Envoy listens."""
    for _ in range(100):
        try:
            return session.get(url)
        except ConnectionError:
            time.sleep(0.05)
    raise AssertionError("Envoy does not listen")
