"""Tokens, over REST and gRPC, from their making to their end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from nemo_microservices import AuthenticationError, NeMoMicroservices

from evaluation.v1 import job_service_pb2, job_service_pb2_grpc
from tests.service import Service

JOB = {
    "target": {"type": "rows", "rows": [{"a": "x"}, {"a": "y"}]},
    "config": {
        "type": "custom",
        "tasks": {
            "t": {
                "type": "data",
                "metrics": {
                    "m": {"type": "string-check", "params": {"check": ["{{a}}", "equals", "x"]}}
                },
            }
        },
    },
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("guarded")
    with Service(folder, EVALD_AUTH="tokens", EVALD_GPUS="none") as service:
        yield service


class Caller:
    """REST with one token."""

    def __init__(self, service: Service, *arguments: str) -> None:
        self.secret = service.run("tokens", "create", *arguments)
        self._base = f"{service.rest}/v1/evaluation"

    def __call__(self, method: str, path: str, **given: Any) -> requests.Response:
        headers = {"authorization": f"Bearer {self.secret}"}
        return requests.request(method, self._base + path, headers=headers, timeout=30, **given)

    def finish(self, job_id: str) -> str:
        deadline = time.monotonic() + 60
        while True:
            status = self("GET", f"/jobs/{job_id}/status").json()["status"]
            if status in {"completed", "failed"}:
                return str(status)
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def writer(service: Service) -> Caller:
    return Caller(service, "writer", "--role", "writer", "--namespace", "team")


@pytest.fixture(scope="module")
def reader(service: Service) -> Caller:
    return Caller(service, "reader", "--role", "reader", "--namespace", "team", "more")


@pytest.fixture(scope="module")
def stranger(service: Service) -> Caller:
    return Caller(service, "stranger", "--role", "writer", "--namespace", "other")


@pytest.fixture(scope="module")
def job_id(writer: Caller) -> str:
    """A job of the namespace `team` that has completed."""
    made = writer("POST", "/jobs", json={"namespace": "team", **JOB})
    assert made.status_code == 201, made.text
    job_id = made.json()["id"]
    assert writer.finish(job_id) == "completed"
    return str(job_id)


PATHS = ("", "/status", "/results", "/samples", "/logs", "/download-results", "/events")


@pytest.mark.parametrize("path", PATHS)
def test_a_job_over_rest(
    service: Service, writer: Caller, reader: Caller, stranger: Caller, job_id: str, path: str
) -> None:
    path = f"/jobs/{job_id}{path}"
    assert writer("GET", path).status_code == 200
    assert reader("GET", path).status_code == 200
    foreign = stranger("GET", path)
    assert (foreign.status_code, foreign.json()["detail"]) == (
        404,
        f"job {job_id!r} does not exist",
    )
    nobody = requests.get(f"{service.rest}/v1/evaluation{path}", timeout=30)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert "authorization: Bearer" in nobody.json()["detail"]


def test_refusals_over_rest(writer: Caller, reader: Caller, stranger: Caller, job_id: str) -> None:
    low = reader("POST", f"/jobs/{job_id}/cancel")
    assert low.status_code == 403
    assert low.json()["detail"] == "this takes a token with the role writer; this one's is reader"
    assert "www-authenticate" not in low.headers
    elsewhere = stranger("POST", "/jobs", json={"namespace": "team", **JOB})
    assert elsewhere.status_code == 403
    assert elsewhere.json()["detail"].endswith("not for namespace 'team', but for other")
    assert stranger("DELETE", f"/jobs/{job_id}").status_code == 404
    assert stranger("GET", "/jobs").json()["data"] == []
    assert [job["id"] for job in reader("GET", "/jobs").json()["data"]] == [job_id]


def test_health_needs_no_token(service: Service) -> None:
    assert requests.get(f"{service.rest}/health", timeout=30).json() == {"status": "ok"}


def test_the_same_over_grpc(service: Service, reader: Caller, job_id: str) -> None:
    request = job_service_pb2.GetJobRequest(job_id=job_id)
    with grpc.insecure_channel(service.grpc) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        metadata = [("authorization", f"Bearer {reader.secret}")]
        assert stub.GetJob(request, metadata=metadata, timeout=30).namespace == "team"
        with pytest.raises(grpc.RpcError) as e:
            stub.GetJob(request, timeout=30)
        assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_official_client_with_a_token(service: Service, reader: Caller, job_id: str) -> None:
    headers = {"Authorization": f"Bearer {reader.secret}"}
    with NeMoMicroservices(base_url=service.rest, default_headers=headers) as client:
        assert client.evaluation.jobs.retrieve(job_id).status == "completed"
    with NeMoMicroservices(base_url=service.rest) as client, pytest.raises(AuthenticationError):
        client.evaluation.jobs.retrieve(job_id)


def test_a_token_ends_at_once(service: Service) -> None:
    caller = Caller(service, "brief", "--role", "admin", "--expires-days", "1")
    assert caller("GET", "/jobs").status_code == 200
    assert service.run("tokens", "revoke", "brief").endswith("(brief) is revoked")
    answer = caller("GET", "/jobs")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "this token is unknown, revoked or expired"


def test_start_without_tokens_says_so(service: Service) -> None:
    assert "nobody has a token yet" in service.log.read_text()


def test_list_and_logs_have_no_secret(service: Service, writer: Caller, job_id: str) -> None:
    head, *rows = service.run("tokens", "list").splitlines()
    names = ["id", "name", "role", "namespaces", "created", "expires", "revoked"]
    assert head.split() == names
    row = next(row.split() for row in rows if " writer " in row)
    assert row[1:4] == ["writer", "writer", "team"]
    assert row[-2:] == ["-", "-"]
    log = service.log.read_text()
    assert "caller=writer" in log
    for text in (log, *rows, (service.data_dir / "envoy.log").read_text()):
        assert writer.secret not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tokens", "create", "x y", "--role", "admin"), "is not a name"),
        (("tokens", "create", "x", "--role", "admin", "--namespace", "a"), "has every namespace"),
        (("tokens", "create", "x", "--role", "reader", "--expires-days", "0"), "--expires-days"),
        (("tokens", "revoke", "nobody"), "no token 'nobody' is in force"),
    ],
)
def test_commands_that_cannot_be_done(tmp_path: Path, arguments: Any, said: str) -> None:
    done = evald(*arguments, "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("evald: ")
    assert said in done.stderr


def test_database_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALD_DATABASE_URL", "postgresql+psycopg://127.0.0.1:1/evald")
    done = evald("tokens", "list", "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("evald: the database cannot be used now: ")


@pytest.mark.parametrize("command", ["up", "serve"])
def test_no_start_for_others_without_a_word(tmp_path: Path, command: str) -> None:
    done = evald(command, "--host", "0.0.0.0", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "set EVALD_AUTH=tokens" in done.stderr
    assert not (tmp_path / "data").exists()


def evald(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evald", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
