"""Each path and method of REST API v1, in the order of an entity's life."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import requests

from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import Rest
from tests.reference.conftest import Ended
from tests.service import Service

NEW_ROWS = [{"a": "y"}]
OWNERSHIP = {"created_by": "me", "updated_by": "you", "access_policies": {"a": "b"}}


@pytest.mark.reference(
    "a.1 POST targets",
    "a.1 GET targets",
    "a.1 GET target",
    "a.1 PATCH target",
    "a.1 DELETE target",
    "a.4 POST success",
    "b.7 delete",
    "f delete answer",
    "f patch",
)
def test_targets(rest: Rest, ns: str) -> None:
    made = rest("POST", "/targets", 201, json={"namespace": ns, "name": "t", **ROWS})
    assert rest("GET", f"/targets/{ns}/t") == made
    listed = rest("GET", "/targets", params={"filter[namespace]": ns})
    assert listed["data"] == [made]
    changes = {
        "description": "d",
        "project": "p",
        "custom_fields": {"k": "v"},
        "ownership": OWNERSHIP,
        "rows": NEW_ROWS,
    }
    changed = rest("PATCH", f"/targets/{ns}/t", json=changes)
    assert changed == {**made, **changes, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > made["updated_at"]
    for member in (
        {"type": "model", "model": "meta/llama"},
        {"type": "cached_outputs", "cached_outputs": {"files_url": "hf://datasets/a/b"}},
        {"type": "dataset", "dataset": "a/b"},
        {"type": "retriever", "retriever": {"dataset": "a/b"}},
        {"type": "rag", "rag": {"dataset": "a/b"}},
    ):
        changed = rest("PATCH", f"/targets/{ns}/t", json=member)
        assert member.items() <= changed.items()
        assert changed["description"] == "d"
    for fixed in ("name", "namespace"):
        assert fixed in str(rest("PATCH", f"/targets/{ns}/t", 422, json={fixed: "other"}))
    deleted = {"message": "Resource deleted successfully.", "id": made["id"], "deleted_at": None}
    assert rest("DELETE", f"/targets/{ns}/t") == deleted
    rest("GET", f"/targets/{ns}/t", 404)


@pytest.mark.reference(
    "a.1 POST configs",
    "a.1 GET configs",
    "a.1 GET config",
    "a.1 PATCH config",
    "a.1 DELETE config",
    "f patch",
)
def test_configs(rest: Rest, ns: str) -> None:
    made = rest("POST", "/configs", 201, json={"namespace": ns, "name": "c", **GOOD})
    assert rest("GET", f"/configs/{ns}/c") == made
    listed = rest("GET", "/configs", params={"filter[namespace]": ns})
    assert listed["data"] == [made]
    changes = {
        "description": "d",
        "project": "p",
        "custom_fields": {"k": "v"},
        "ownership": OWNERSHIP,
        "params": {"limit_samples": 3},
        "groups": {"g": {"tasks": ["qa"]}},
        "tasks": {"qa2": GOOD["tasks"]["qa"]},
        "type": "custom",
        "name": "renamed",
        "namespace": f"{ns}-2",
    }
    changed = rest("PATCH", f"/configs/{ns}/c", json=changes)
    assert changed == {**made, **changes, "updated_at": changed["updated_at"]}
    rest("GET", f"/configs/{ns}/c", 404)
    assert rest("GET", f"/configs/{ns}-2/renamed") == changed
    deleted = rest("DELETE", f"/configs/{ns}-2/renamed")
    assert deleted["id"] == made["id"]
    rest("GET", f"/configs/{ns}-2/renamed", 404)


@pytest.mark.reference(
    "a.1 POST jobs",
    "a.1 GET jobs",
    "a.1 GET job",
    "a.1 GET status",
    "a.1 GET job results",
    "a.1 DELETE job",
    "rule 4",
)
def test_jobs(rest: Rest, ns: str) -> None:
    made = rest("POST", "/jobs", 201, json={"namespace": ns, "target": ROWS, "config": GOOD})
    assert made["status"] == "created"
    job = rest.finish(made["id"])
    (listed,) = rest("GET", "/jobs", params={"filter[namespace]": ns})["data"]
    assert listed == {k: v for k, v in job.items() if k != "state_history"}
    status = rest("GET", f"/jobs/{job['id']}/status")
    assert job["status_details"].items() <= status.items()
    assert rest("GET", f"/jobs/{job['id']}/results")["job"] == job["id"]
    answer = requests.delete(f"{rest.base}/jobs/{job['id']}", headers={"accept": "*/*"}, timeout=30)
    assert answer.status_code == 200
    assert answer.json() == {}
    rest("GET", f"/jobs/{job['id']}", 404)
    for missing in ("target", "config"):
        body = {k: v for k, v in {"target": ROWS, "config": GOOD}.items() if k != missing}
        assert missing in str(rest("POST", "/jobs", 422, json=body)["detail"])


@pytest.mark.reference("a.1 POST cancel", "rule 4")
@pytest.mark.parametrize(
    "sent",
    [
        {"json": {}},
        {"headers": {"content-type": "application/json"}},
        {},
    ],
)
def test_cancel_takes_any_empty_body(rest: Rest, ended: Ended, sent: dict[str, Any]) -> None:
    assert rest("POST", f"{ended.path}/cancel", **sent)["status"] == "completed"


@pytest.mark.reference("a.1 GET download-results", "a.1 GET logs", "rule 5")
@pytest.mark.parametrize("accept", ["application/zip", "application/json", "*/*", None])
def test_downloads_ignore_accept(rest: Rest, ended: Ended, accept: str | None) -> None:
    for what in ("download-results", "logs"):
        headers = {"accept": accept}
        answer = requests.get(f"{rest.base}{ended.path}/{what}", headers=headers, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist()


@pytest.mark.reference(
    "a.1 POST results",
    "a.1 GET results",
    "a.1 GET result",
    "a.1 PATCH result",
    "a.1 DELETE result",
)
def test_results(rest: Rest, ns: str, ended: Ended) -> None:
    first = rest("POST", "/jobs", 201, json={"namespace": ns, "target": ROWS, "config": GOOD})
    job = rest.finish(first["id"])
    rest("DELETE", f"/results/{job['result']}")
    made = rest("POST", "/results", 201, json={"job": job["id"]})
    assert rest("GET", f"/results/{made['id']}") == made
    listed = rest("GET", "/results", params={"filter[job_id]": job["id"]})
    assert listed["data"] == [made]
    changes = {
        "description": "d",
        "project": "p",
        "custom_fields": {"k": "v"},
        "ownership": OWNERSHIP,
        "files_url": "hf://datasets/a/b",
        "groups": {"g": {"metrics": {"m": {"scores": {"s": {"value": 0.5}}}}}},
        "tasks": {"t": {"metrics": {"m": {"scores": {"s": {"value": 1.0}}}}}},
        "namespace": f"{ns}-2",
    }
    changed = rest("PATCH", f"/results/{made['id']}", json=changes)
    assert changed == {**made, **changes, "updated_at": changed["updated_at"]}
    second = rest("POST", "/jobs", 201, json={"target": ROWS, "config": GOOD})
    result = rest.finish(second["id"])["result"]
    rest("DELETE", f"/results/{result}")
    assert (
        rest("PATCH", f"/results/{made['id']}", json={"job": second["id"]})["job"] == second["id"]
    )
    assert rest("GET", f"/jobs/{second['id']}/results")["id"] == made["id"]
    deleted = {"message": "Resource deleted successfully.", "id": made["id"], "deleted_at": None}
    assert rest("DELETE", f"/results/{made['id']}") == deleted
    rest("GET", f"/results/{made['id']}", 404)


@pytest.mark.reference("a.1 GET health")
def test_health(service: Service) -> None:
    assert requests.get(f"{service.rest}/health", timeout=5).status_code == 200
