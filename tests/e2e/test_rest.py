"""The main job over REST, with the documented answers, key for key."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.endpoint import Endpoint
from tests.service import Service

NAIVE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
ID = "[1-9A-HJ-NP-Za-km-z]{21,22}"

JOB_KEYS = {
    "id", "namespace", "description", "project", "created_at", "updated_at", "custom_fields",
    "ownership", "target", "config", "result", "output_files_url", "status", "status_details",
}  # fmt: skip


class Rest:
    """The REST surface of a service."""

    def __init__(self, service: Service) -> None:
        self.base = f"{service.rest}/v1/evaluation"

    def __call__(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        answer = requests.request(method, self.base + path, timeout=30, **given)
        assert answer.status_code == status, answer.text
        return answer.json()

    def finish(self, job_id: str) -> dict[str, Any]:
        """Polls a job until it has ended."""
        deadline = time.monotonic() + 60
        while True:
            job = self("GET", f"/jobs/{job_id}")
            if job["status"] in {"completed", "failed", "cancelled"}:
                return job
            assert job["status"] in {"created", "pending", "running", "cancelling"}
            assert time.monotonic() < deadline, job
            time.sleep(0.05)

    def files(self, job_id: str, archive: str) -> dict[str, bytes]:
        """What is in an archive of a job, `logs` or `download-results`, by name."""
        answer = requests.get(f"{self.base}/jobs/{job_id}/{archive}", timeout=30)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


def model_target(endpoint: Endpoint, **extra: Any) -> dict[str, Any]:
    api_endpoint = {"url": endpoint.url, "model_id": "echo", **extra}
    return {"type": "model", "model": {"api_endpoint": api_endpoint}}


def chat_config(files_url: str, **params: Any) -> dict[str, Any]:
    return {
        "type": "custom",
        "params": {"parallelism": 4, **params},
        "tasks": {
            "qa": {
                "type": "chat-completion",
                "params": {"template": {"messages": [{"role": "user", "content": "{{prompt}}"}]}},
                "dataset": {"files_url": files_url},
                "metrics": {
                    "match": {
                        "type": "string-check",
                        "params": {
                            "check": ["{{sample.output_text}}", "equals", "{{ideal_response}}"]
                        },
                    }
                },
            }
        },
    }


def put(service: Service, name: str, *files: Path) -> str:
    service.run("datasets", "put", name, *map(str, files))
    return f"hf://datasets/{name}"


def fresh() -> str:
    return f"n{uuid4().hex[:8]}"


def test_main_job(rest: Rest, service: Service, endpoint: Endpoint, rows_file: Path) -> None:
    ns = fresh()
    files_url = put(service, f"{ns}/data", rows_file)
    target = rest(
        "POST",
        "/targets",
        201,
        json={"namespace": ns, "name": "t", **model_target(endpoint, api_key="canary")},
    )
    assert re.fullmatch(f"eval-target-{ID}", target["id"])
    assert NAIVE_TIME.fullmatch(target["created_at"])
    assert not {"schema_version", "type_prefix", "ownership", "rows"} & set(target)
    assert target["custom_fields"] == {}
    model = target["model"]
    assert re.fullmatch(f"model-{ID}", model["id"])
    assert model["name"] == model["id"]
    assert (model["schema_version"], model["type_prefix"]) == ("1.0", "model")
    assert (model["version_id"], model["version_tags"]) == ("main", [])
    assert model["api_endpoint"] == {
        "url": endpoint.url, "model_id": "echo", "api_key": "******", "format": "nim",
    }  # fmt: skip
    config = rest(
        "POST", "/configs", 201, json={"namespace": ns, "name": "c", **chat_config(files_url)}
    )
    dataset = config["tasks"]["qa"]["dataset"]
    assert re.fullmatch(f"dataset-{ID}", dataset["id"])

    body = {"namespace": ns, "target": f"{ns}/t", "config": f"{ns}/c"}
    job = rest("POST", "/jobs", 201, json=body)
    assert re.fullmatch(f"eval-{ID}", job["id"])
    assert set(job) == JOB_KEYS
    assert job["status"] == "created"
    assert job["status_details"] == {"message": None, "task_status": {}, "progress": None}
    for key in ("description", "project", "ownership", "result", "output_files_url"):
        assert job[key] is None
    assert job["target"]["schema_version"] == "1.0"
    assert job["target"]["type_prefix"] == "eval-target"
    for member in ("cached_outputs", "retriever", "rag", "rows", "dataset"):
        assert job["target"][member] is None
    assert job["config"]["type_prefix"] == "eval-config"

    ended = rest.finish(job["id"])
    assert ended["status"] == "completed"
    assert ended["output_files_url"] == f"hf://datasets/evaluation-results/{job['id']}"
    status = rest("GET", f"/jobs/{job['id']}/status")
    assert status == {
        "message": "Job completed successfully",
        "task_status": {"qa": "completed"},
        "progress": 100.0,
        "samples_processed": 10,
        "status": "completed",
    }
    result = rest("GET", f"/jobs/{job['id']}/results")
    assert re.fullmatch(f"evaluation_result-{ID}", result["id"])
    assert result["id"] == ended["result"]
    assert result["job"] == job["id"]
    assert result["groups"] == {}
    score = result["tasks"]["qa"]["metrics"]["match"]["scores"]["string-check"]
    assert score["value"] == pytest.approx(0.6)
    assert {
        "count": 10,
        "sum": 6.0,
        "mean": 0.6,
        "min": 0.0,
        "max": 1.0,
        "nan_count": 0,
    }.items() <= (score["stats"].items())
    assert rest("GET", f"/results/{result['id']}") == result

    listed = rest("GET", "/jobs", params={"filter[namespace]": ns})
    assert [entry["id"] for entry in listed["data"]] == [job["id"]]
    assert listed["object"] == "list"
    assert listed["pagination"] == {
        "page": 1, "page_size": 10, "current_page_size": 1, "total_pages": 1, "total_results": 1,
    }  # fmt: skip
    assert listed["filter"] == {"namespace": ns}

    answer = requests.get(
        f"{rest.base}/jobs/{job['id']}/download-results",
        headers={"accept": "application/json"},
        timeout=30,
    )
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        rows = json.loads(archive.read("results.json"))["qa"]
        assert b"canary" not in b"".join(archive.read(name) for name in archive.namelist())
    assert len(rows) == 10
    assert rows[0]["item"] == {"prompt": "word 0", "ideal_response": "word 0"}
    assert rows[0]["sample"]["output_text"] == "word 0"
    assert rows[0]["sample"]["response"]["choices"][0]["message"]["content"] == "word 0"
    scores = rows[0]["metrics"]["match"]["scores"]
    assert scores == {"string-check": {"value": 1.0, "stats": None}}
    assert any(name.endswith(".log") for name in rest.files(job["id"], "logs"))
    kept = service.data_dir / "datasets" / "evaluation-results" / job["id"] / "results.json"
    assert json.loads(kept.read_bytes())["qa"] == rows

    samples = rest("GET", f"/jobs/{job['id']}/samples", params={"page_size": 3, "page": 4})
    assert samples["data"][0]["index"] == 9
    assert samples["data"][0]["metrics"] == {"match": {"string-check": 0.0}}

    assert rest("DELETE", f"/targets/{ns}/t", 409)["detail"]
    assert rest("DELETE", f"/jobs/{job['id']}") == {}
    rest("GET", f"/jobs/{job['id']}", 404)
    assert not kept.exists()
    deleted = rest("DELETE", f"/targets/{ns}/t")
    assert deleted == {
        "message": "Resource deleted successfully.", "id": target["id"], "deleted_at": None,
    }  # fmt: skip
    rest("DELETE", f"/configs/{ns}/c")


def test_rows_are_scored_without_a_model(rest: Rest) -> None:
    config = {
        "type": "custom",
        "tasks": {
            "qa": {
                "type": "data",
                "metrics": {
                    "accuracy": {
                        "type": "string-check",
                        "params": {"check": ["{{answer}}", "==", "{{item.truth}}"]},
                    }
                },
            }
        },
    }
    rows = [{"answer": "a", "truth": "a"}, {"answer": "b", "truth": "c"}]
    job = rest(
        "POST", "/jobs", 201, json={"target": {"type": "rows", "rows": rows}, "config": config}
    )
    assert rest.finish(job["id"])["status"] == "completed"
    result = rest("GET", f"/jobs/{job['id']}/results")
    scores = result["tasks"]["qa"]["metrics"]["accuracy"]["scores"]
    assert scores["string-check"]["value"] == 0.5


def test_cancel_answers_the_job(rest: Rest, service: Service, rows_file: Path) -> None:
    files_url = put(service, f"{fresh()}/data", rows_file)
    with Endpoint(latency=30) as slow:
        body = {"target": model_target(slow), "config": chat_config(files_url)}
        job = rest("POST", "/jobs", 201, json=body)
        deadline = time.monotonic() + 20
        while rest("GET", f"/jobs/{job['id']}")["status"] != "running":
            assert time.monotonic() < deadline
        cancelled = rest(
            "POST", f"/jobs/{job['id']}/cancel", headers={"content-type": "application/json"}
        )
        assert cancelled["status"] in {"cancelling", "cancelled"}
        assert rest.finish(job["id"])["status"] == "cancelled"
        assert rest("POST", f"/jobs/{job['id']}/cancel", json={})["status"] == "cancelled"


def test_gpu_jobs_of_a_one_gpu_server_run_one_after_the_other(
    rest: Rest, service: Service, rows_file: Path
) -> None:
    files_url = put(service, f"{fresh()}/data", rows_file)
    with Endpoint(latency=0.3) as slow:
        body = {
            "target": model_target(slow),
            "config": chat_config(files_url, gpus=1, parallelism=8),
        }
        jobs = [rest("POST", "/jobs", 201, json=body)["id"] for _ in range(2)]
        assert rest("GET", f"/jobs/{jobs[1]}/status")["status"] in {"created", "pending"}
        for job_id in jobs:
            assert rest.finish(job_id)["status"] == "completed"
        pending = [rest("GET", f"/jobs/{job_id}")["state_history"] for job_id in jobs]
    assert [change["status"] for change in pending[1]] == [
        "created", "pending", "running", "completed",
    ]  # fmt: skip
    assert pending[1][2]["at"] >= pending[0][-1]["at"]
