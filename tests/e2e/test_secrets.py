"""A key in each place for secrets shows nowhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.e2e.test_process import children
from tests.e2e.test_rest import Rest, chat_config, model_target, put
from tests.endpoint import Answer, Endpoint
from tests.service import Service

PLACES = ("endpoint", "extra", "judge", "fields", "variable")


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """A key for each place, which looks like nothing that is known to be one."""
    return {place: f"Canary{uuid4().hex}{place}" for place in PLACES}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("secrets")
    settings = {"EVALD_LOG_LEVEL": "debug", "EVALD_SECRET_ENV": "MODEL_*"}
    with Service(folder, **settings, MODEL_CANARY=keys["variable"]) as service:
        yield service


def wanted(keys: dict[str, str], files_url: str, target: dict[str, Any]) -> dict[str, Any]:
    """A job with keys wherever there is a place for one."""
    config = chat_config(files_url, parallelism=1, extra={"hf_token": keys["extra"]})
    judge = {"model": {"api_endpoint": {"url": "http://judge", "api_key": keys["judge"]}}}
    config["tasks"]["qa"]["params"]["judge"] = judge
    fields = {"db_password": keys["fields"]}
    return {"target": target, "config": config, "custom_fields": fields}


def processes(pid: int) -> Iterator[bytes]:
    """Command lines and environments of what a server has started; its own environment is its
    user's affair."""
    own = Path(f"/proc/{pid}/environ").read_bytes()
    yield Path(f"/proc/{pid}/cmdline").read_bytes()
    for child in children(pid):
        yield Path(f"/proc/{child}/cmdline").read_bytes()
        if (environment := Path(f"/proc/{child}/environ").read_bytes()) != own:  # else a mere fork
            yield environment


def shown(service: Service, job_id: str) -> Iterator[bytes]:
    """Every answer about a job, archives unpacked."""
    base = f"{service.rest}/v1/evaluation/jobs"
    for path in ("", "/status", "/results", "/samples", "/events?after_revision=0"):
        yield requests.get(f"{base}/{job_id}{path}", timeout=30).content
    yield requests.get(base, timeout=30).content
    yield requests.get(f"{service.rest}/v1/evaluation/results", timeout=30).content
    for archive in ("logs", "download-results"):
        yield from Rest(service).files(job_id, archive).values()


def test_keys_show_nowhere(service: Service, rows_file: Path, keys: dict[str, str]) -> None:
    rest = Rest(service)
    files_url = put(service, "ns/data", rows_file)
    seen: list[bytes] = []
    for place, given in (("endpoint", keys["endpoint"]), ("variable", "env:MODEL_CANARY")):
        told = Answer(400, f'{{"error": "no {keys[place]}"}}'.encode())
        with Endpoint(latency=0.1, script=[told]) as endpoint:
            target = model_target(endpoint, api_key=given)
            body = wanted(keys, files_url, target)
            answer = requests.post(f"{rest.base}/jobs", json=body, timeout=30)
            assert answer.status_code == 201, answer.text
            seen.append(answer.content)
            job_id = answer.json()["id"]
            deadline = time.monotonic() + 60
            while rest("GET", f"/jobs/{job_id}")["status"] not in {"completed", "failed"}:
                seen += processes(service.pid)
                assert time.monotonic() < deadline
            seen += shown(service, job_id)
            used = {request.headers.get("authorization") for request in endpoint.requests}
            assert used == {f"Bearer {keys[place]}"}
    # They were there to be seen: a failed sample tells what the endpoint said.
    assert b"no ******" in b"".join(seen)

    seen.append(requests.post(f"{rest.base}/targets", json=keys, timeout=30).content)
    files = [path for path in service.data_dir.rglob("*") if path.is_file()]
    assert {"evald.db", "evald.log", "envoy.log"} <= {path.name for path in files}
    seen += [path.read_bytes() for path in files]
    for place, key in keys.items():
        found = [text for text in seen if key.encode() in text]
        assert not found, (place, found[0][:2000])


def test_variables_that_may_not_be_named(service: Service) -> None:
    endpoint = {"url": "http://h", "model_id": "m", "api_key": "env:HOME"}
    target = {"type": "model", "model": {"api_endpoint": endpoint}}
    refusal = Rest(service)("POST", "/targets", 422, json=target)["detail"][0]
    assert refusal["loc"] == ["body", "model", "api_endpoint", "api_key"]
    assert "EVALD_SECRET_ENV" in refusal["msg"]
