"""Bad input gets a clear answer, and nothing is half-stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.test_rest import Rest, chat_config, fresh, model_target, put
from tests.endpoint import Endpoint
from tests.service import Service

ROWS = {"type": "rows", "rows": [{"a": "x"}]}


def check_config(check: Any) -> dict[str, Any]:
    metric = {"type": "string-check", "params": {"check": check}}
    return {"type": "custom", "tasks": {"qa": {"type": "data", "metrics": {"m": metric}}}}


GOOD = check_config(["{{a}}", "equals", "x"])


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


@pytest.mark.parametrize(
    "body", [{"target": "no/such", "config": GOOD}, {"target": ROWS, "config": "no/such"}]
)
def test_missing_target_or_config_is_not_found(rest: Rest, body: dict[str, Any]) -> None:
    assert "no/such" in rest("POST", "/jobs", 404, json=body)["detail"]


@pytest.mark.parametrize(
    ("config", "loc"),
    [
        ({"type": "costum"}, "type"),
        ({}, "type"),
        ({"type": "custom"}, "tasks"),
        (check_config(["{{a", "equals", "x"]), "tasks.qa.metrics.m.params.check"),
        (check_config(["{{a}}", "resembles", "x"]), "tasks.qa.metrics.m.params.check"),
        ({**GOOD, "params": {"parallelism": 0}}, "params.parallelism"),
        ({**GOOD, "params": {"parallelism": "many"}}, "params.parallelism"),
        ({**GOOD, "params": {"parallelizm": 1}}, "params.parallelizm"),
        ({**GOOD, "tusks": {}}, "tusks"),
        ({**GOOD, "tasks": []}, "tasks"),
        (
            {
                "type": "custom",
                "tasks": {"qa": {"type": "data", "metrics": {"m": {"type": "blue"}}}},
            },
            "tasks.qa.metrics.m.type",
        ),
    ],
)
def test_config_that_is_wrong_names_the_field(rest: Rest, config: dict, loc: str) -> None:
    ns = fresh()
    detail = rest("POST", "/configs", 422, json={**config, "namespace": ns})["detail"]
    locs = [".".join(map(str, entry["loc"])) for entry in detail]
    assert any(found.startswith(f"body.{loc}") for found in locs), detail
    assert rest("GET", "/configs", params={"filter[namespace]": ns})["data"] == []


@pytest.mark.parametrize(
    ("target", "loc"),
    [
        ({"type": "modle"}, "type"),
        ({"type": "model"}, "model"),
        ({"type": "rows", "rows": "x"}, "rows"),
        (
            {"type": "model", "model": {"api_endpoint": {"url": "no", "model_id": "m"}}},
            "model.api_endpoint.url",
        ),
    ],
)
def test_target_that_is_wrong_names_the_field(rest: Rest, target: dict, loc: str) -> None:
    detail = rest("POST", "/targets", 422, json=target)["detail"]
    assert any(".".join(map(str, entry["loc"])).startswith(f"body.{loc}") for entry in detail), (
        detail
    )


def test_target_and_config_that_do_not_fit_are_refused(rest: Rest) -> None:
    body = {"target": ROWS, "config": chat_config("hf://datasets/a/b")}
    detail = rest("POST", "/jobs", 422, json=body)["detail"]
    assert "target" in detail[0]["loc"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"nonsense", b'{"type": "rows", }', b"\xff\xfe"])
def test_bad_json_is_refused(rest: Rest, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert rest("POST", "/targets", 422, data=body, headers=headers)["detail"]


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=1001", "sort=secret", "pgae=1"])
def test_list_parameter_that_is_wrong_is_named(rest: Rest, query: str) -> None:
    detail = rest("GET", f"/jobs?{query}", 422)["detail"]
    assert query.split("=")[0] in str(detail)


def test_unknown_path_and_method(rest: Rest) -> None:
    assert rest("GET", "/nothing", 404)["detail"]
    assert rest("PUT", "/jobs", 405)["detail"]


def test_same_name_twice_is_a_conflict_that_is_not_retried(rest: Rest) -> None:
    body = {**ROWS, "name": fresh()}
    rest("POST", "/targets", 201, json=body)
    answer = requests.post(f"{rest.base}/targets", json=body, timeout=30)
    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
    assert body["name"] in answer.json()["detail"]


def ended(rest: Rest, target: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    job = rest("POST", "/jobs", 201, json={"target": target, "config": config})
    return rest.finish(job["id"])


def test_unreachable_endpoint_fails_the_job(rest: Rest, service: Service, rows_file: Path) -> None:
    files_url = put(service, f"{fresh()}/data", rows_file)
    endpoint = {"url": "http://127.0.0.1:9/v1", "model_id": "m", "api_key": "canary"}
    target = {"type": "model", "model": {"api_endpoint": endpoint}}
    job = ended(rest, target, chat_config(files_url, max_retries=0))
    assert job["status"] == "failed"
    status = rest("GET", f"/jobs/{job['id']}/status")
    assert status["error"]["kind"] == "connection"
    assert "127.0.0.1:9" in status["error"]["message"]
    assert "canary" not in str(status)


def test_missing_data_set_fails_the_job(rest: Rest, endpoint: Endpoint) -> None:
    job = ended(rest, model_target(endpoint), chat_config("hf://datasets/no/such"))
    assert job["status"] == "failed"
    assert job["error"]["kind"] == "dataset"
    assert "no/such" in job["error"]["message"]


def test_empty_data_set_fails_the_job(
    rest: Rest, service: Service, endpoint: Endpoint, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    files_url = put(service, f"{fresh()}/data", empty)
    job = ended(rest, model_target(endpoint), chat_config(files_url))
    assert job["status"] == "failed"
    assert job["error"]["kind"] == "dataset"


def test_row_without_the_templates_field_is_an_error_of_its_sample(rest: Rest) -> None:
    target = {"type": "rows", "rows": [{"a": "x"}, {"b": "y"}, {"a": "z"}]}
    job = ended(rest, target, GOOD)
    assert job["status"] == "completed"
    result = rest("GET", f"/jobs/{job['id']}/results")["tasks"]["qa"]
    score = result["metrics"]["m"]["scores"]["string-check"]
    assert score["value"] == 0.5
    assert score["stats"]["nan_count"] == 1
    sample = rest("GET", f"/jobs/{job['id']}/samples")["data"][1]
    assert sample["error"]["kind"] == "template"
    assert "'a'" in sample["error"]["message"]


def test_missing_secret_keeps_the_job_from_its_launch(
    rest: Rest, service: Service, endpoint: Endpoint, rows_file: Path
) -> None:
    files_url = put(service, f"{fresh()}/data", rows_file)
    target = model_target(endpoint, api_key="env:NO_SUCH_VARIABLE")
    job = ended(rest, target, chat_config(files_url))
    assert job["status"] == "failed"
    assert job["status_details"]["message"] == "Job failed to launch"
    assert job["error"]["kind"] == "secret"
    assert "NO_SUCH_VARIABLE" in job["error"]["message"]
