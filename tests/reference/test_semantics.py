"""What REST API v1 means: names, references, the life of a job, and what outlives what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_bad_input import GOOD, ROWS, check_config
from tests.e2e.test_rest import Rest, chat_config, fresh, model_target
from tests.endpoint import Endpoint
from tests.reference.conftest import Ended


@pytest.fixture
def slow() -> Iterator[Endpoint]:
    """A model that takes its time."""
    with Endpoint(latency=0.05) as endpoint:
        yield endpoint


def start(rest: Rest, target: Any, config: Any, **fields: Any) -> dict[str, Any]:
    body = {"target": target, "config": config, **fields}
    made: dict[str, Any] = rest("POST", "/jobs", 201, json=body)
    return made


def await_status(rest: Rest, job_id: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while (job := rest("GET", f"/jobs/{job_id}"))["status"] != status:
        assert time.monotonic() < deadline, job
    return dict(job)


@pytest.mark.reference("f lookup by id", "f references", "f names")
def test_an_entity_is_found_by_name_and_by_id(rest: Rest, ns: str, ended: Ended) -> None:
    unnamed = rest("POST", "/targets", 201, json={**ROWS, "namespace": ns})
    for namespace, target in ((ns, unnamed), (ended.namespace, ended.target)):
        assert rest("GET", f"/targets/{namespace}/{target['id']}") == target
        config = f"{ended.namespace}/{ended.config['id']}"
        job = start(rest, f"{namespace}/{target['id']}", config)
        assert job["target"]["id"] == target["id"]
        assert job["config"]["id"] == ended.config["id"]
    rest("GET", f"/targets/{ns}/{ended.target['id']}", 404)


@pytest.mark.reference("f inline", "f namespace", "f references")
def test_inline_parts_are_the_jobs_own(rest: Rest, ns: str) -> None:
    jobs = [
        start(rest, {**ROWS, "name": f"{ns}-t"}, {**GOOD, "name": f"{ns}-c"}, namespace=ns)
        for _ in range(2)
    ]
    for part in ("target", "config"):
        first, second = (job[part] for job in jobs)
        assert first["name"] == second["name"] == f"{ns}-{part[0]}"
        assert first["id"] != second["id"]
        assert first["namespace"] == "default"
    assert {job["namespace"] for job in jobs} == {ns}


@pytest.mark.reference("f references", "b.1 model", "rule 9")
def test_a_model_may_be_a_bare_name(rest: Rest, files_url: str, inference: Endpoint) -> None:
    target = {"type": "model", "model": f"meta/{fresh()}"}
    job = rest.finish(start(rest, target, chat_config(files_url))["id"])
    assert job["status"] == "completed"
    assert job["target"]["model"] == target["model"]
    asked = [request.body["model"] for request in inference.requests]
    assert asked.count(target["model"]) == 10


@pytest.mark.reference("f snapshot", "f patch")
def test_a_job_keeps_what_it_was_made_with(rest: Rest, ns: str) -> None:
    target = rest("POST", "/targets", 201, json={"namespace": ns, "name": "t", **ROWS})
    rest("POST", "/configs", 201, json={"namespace": ns, "name": "c", **GOOD})
    job = start(rest, f"{ns}/t", f"{ns}/c")
    assert target.items() <= {k: v for k, v in job["target"].items() if v is not None}.items()
    rest("PATCH", f"/targets/{ns}/t", json={"description": "new", "rows": [{"a": "y"}]})
    rest("PATCH", f"/configs/{ns}/c", json={"name": "other"})
    after = rest("GET", f"/jobs/{job['id']}")
    assert (after["target"], after["config"]) == (job["target"], job["config"])


@pytest.mark.reference("f delete in use", "a.4 detail text")
def test_what_a_job_uses_cannot_be_deleted(rest: Rest, ns: str) -> None:
    rest("POST", "/targets", 201, json={"namespace": ns, "name": "t", **ROWS})
    rest("POST", "/configs", 201, json={"namespace": ns, "name": "c", **GOOD})
    job = rest.finish(start(rest, f"{ns}/t", f"{ns}/c")["id"])
    for path in (f"/targets/{ns}/t", f"/configs/{ns}/c"):
        assert job["id"] in rest("DELETE", path, 409)["detail"]
    found = rest("GET", "/jobs", params={"filter[target]": f"{ns}/t"})["data"]
    assert [entry["id"] for entry in found] == [job["id"]]
    rest("DELETE", f"/jobs/{job['id']}")
    for path in (f"/targets/{ns}/t", f"/configs/{ns}/c"):
        rest("DELETE", path)


@pytest.mark.reference("f delete job", "rule 4")
def test_a_job_takes_its_result_along(rest: Rest) -> None:
    job = rest.finish(start(rest, ROWS, GOOD)["id"])
    assert rest("DELETE", f"/jobs/{job['id']}") == {}
    rest("GET", f"/results/{job['result']}", 404)
    for path in ("", "/status", "/results", "/download-results", "/logs"):
        rest("GET", f"/jobs/{job['id']}{path}", 404)
    rest("POST", f"/jobs/{job['id']}/cancel", 404)


@pytest.mark.reference("f cancel", "f status life")
def test_cancel(rest: Rest, files_url: str, ended: Ended) -> None:
    with Endpoint(latency=30) as never:
        made = start(rest, model_target(never), chat_config(files_url))
        await_status(rest, made["id"], "running")
        assert rest("POST", f"/jobs/{made['id']}/cancel")["status"] in {"cancelling", "cancelled"}
        job = rest.finish(made["id"])
    history = [change["status"] for change in job["state_history"]]
    assert history == ["created", "running", "cancelling", "cancelled"]
    for job_id, status in ((made["id"], "cancelled"), (ended.job["id"], "completed")):
        assert rest("POST", f"/jobs/{job_id}/cancel", json={})["status"] == status


@pytest.mark.reference("f secrets", "rule 7", "a.1 PATCH target")
def test_a_secret_lives_as_long_as_its_target(
    rest: Rest, ns: str, files_url: str, endpoint: Endpoint
) -> None:
    body = {"namespace": ns, "name": "t", **model_target(endpoint, api_key="canary")}
    made = rest("POST", "/targets", 201, json=body)
    shown = {"type": "model", "model": {"api_endpoint": made["model"]["api_endpoint"]}}
    assert shown["model"]["api_endpoint"]["api_key"] == "******"
    for _ in range(2):
        job = rest.finish(start(rest, f"{ns}/t", chat_config(files_url, limit_samples=1))["id"])
        assert job["status"] == "completed"
        assert "canary" not in json.dumps(job)
        rest("PATCH", f"/targets/{ns}/t", json=shown)
    keys = [request.headers["authorization"] for request in endpoint.requests]
    assert keys == ["Bearer canary"] * 2
    assert "******" in str(rest("POST", "/targets", 422, json=shown)["detail"])


@pytest.mark.reference(
    "f status life",
    "f progress",
    "f final message",
    "f task_status",
    "f results before the end",
    "rule 1",
    "rule 2",
    "rule 3",
)
def test_the_life_of_a_job(rest: Rest, files_url: str, slow: Endpoint) -> None:
    made = start(rest, model_target(slow), chat_config(files_url, parallelism=1))
    await_status(rest, made["id"], "running")
    assert rest("GET", f"/jobs/{made['id']}/results")["tasks"] == {}
    seen = []
    status = rest("GET", f"/jobs/{made['id']}/status")
    while status["status"] == "running":
        details = rest("GET", f"/jobs/{made['id']}")["status_details"]
        assert {"message", "task_status", "progress"} <= set(details)
        seen += [status["progress"], details["progress"]]
        status = rest("GET", f"/jobs/{made['id']}/status")
    assert all(isinstance(progress, float) for progress in seen)
    assert seen == sorted(seen)
    assert 0.0 <= seen[0] < 100.0
    assert (status["progress"], status["samples_processed"]) == (100.0, 10)
    assert status["message"].startswith("Job completed successfully")
    assert status["task_status"] == {"qa": "completed"}
    job = rest("GET", f"/jobs/{made['id']}")
    assert [change["status"] for change in job["state_history"]] == [
        "created",
        "running",
        "completed",
    ]


@pytest.mark.reference("f limits")
@pytest.mark.parametrize(("limit", "limit_samples", "count"), [(2, 3, 2), (3, 2, 2), (None, 4, 4)])
def test_both_limits_cap(
    rest: Rest,
    files_url: str,
    endpoint: Endpoint,
    limit: int | None,
    limit_samples: int,
    count: int,
) -> None:
    config = chat_config(files_url, limit_samples=limit_samples)
    config["tasks"]["qa"]["dataset"]["limit"] = limit
    job = rest.finish(start(rest, model_target(endpoint), config)["id"])
    result = rest("GET", f"/jobs/{job['id']}/results")
    score = result["tasks"]["qa"]["metrics"]["match"]["scores"]["string-check"]
    assert score["stats"]["count"] == len(endpoint.requests) == count


@pytest.mark.reference("rule 9", "b.2 unknown keys")
@pytest.mark.parametrize("suffix", ["", "/", "/chat/completions"])
def test_a_url_either_way_and_params_nobody_knows(
    rest: Rest, files_url: str, endpoint: Endpoint, suffix: str
) -> None:
    target = model_target(endpoint)
    target["model"]["api_endpoint"]["url"] += suffix
    target["model"]["prompt"] = {"inference_params": {"max_retries": 3, "unknown": 1}}
    config = chat_config(files_url, limit_samples=1, extra={"unknown": True})
    config["tasks"]["qa"]["params"]["unknown"] = {"a": 1}
    config["tasks"]["qa"]["metrics"]["match"]["params"]["model"] = "a/judge"
    job = rest.finish(start(rest, target, config)["id"])
    assert job["status"] == "completed", job["error"]
    assert [request.path for request in endpoint.requests] == ["/v1/chat/completions"]


@pytest.mark.reference("a.1 POST live", "b.7 live", "f live")
@pytest.mark.parametrize("kind", ["rows", "dataset"])
def test_live(rest: Rest, ns: str, files_url: str, kind: str) -> None:
    data = [{"prompt": "word"}] * 10 if kind == "rows" else {"files_url": files_url}
    config = check_config(["{{ prompt }}", "startswith", "word"])
    body = {"target": {"type": kind, kind: data}, "config": config, "namespace": ns}
    live = rest("POST", "/live", json=body)
    assert {"status", "status_details", "result"} <= set(live)
    assert live["status"] == "completed"
    assert {"message", "task_status", "progress"} <= set(live["status_details"])
    result = live["result"]
    scores = result["tasks"]["qa"]["metrics"]["m"]["scores"]
    assert scores["string-check"]["value"] == 1.0
    stats = {"count": 10, "sum": 10.0, "mean": 1.0}
    assert stats.items() <= scores["string-check"]["stats"].items()
    assert result["id"].startswith("evaluation_result-")
    assert result["job"].startswith("eval-")
    assert (result["groups"], result["custom_fields"]) == ({}, {})
    rest("GET", f"/jobs/{result['job']}", 404)
    rest("GET", f"/results/{result['id']}", 404)
    assert rest("GET", "/jobs", params={"filter[namespace]": ns})["data"] == []


@pytest.mark.reference("f live")
def test_live_asks_no_model(rest: Rest, files_url: str, endpoint: Endpoint) -> None:
    body = {"target": model_target(endpoint), "config": chat_config(files_url)}
    assert rest("POST", "/live", 422, json=body)["detail"]
    assert endpoint.requests == []
