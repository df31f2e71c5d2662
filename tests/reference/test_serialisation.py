"""Which keys, nulls and bytes each answer of REST API v1 has: they differ by endpoint."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import ID, JOB_KEYS, NAIVE_TIME, Rest, chat_config
from tests.reference.conftest import Ended

MODEL = {
    "type": "model",
    "model": {"api_endpoint": {"url": "http://127.0.0.1:9/v1", "model_id": "m"}},
}
ENTITY = {"id", "name", "namespace", "created_at", "updated_at", "custom_fields"}
BOOK = {"schema_version", "version_id", "version_tags"}

TARGET_NULLS = {"description", "project", "ownership"}
MEMBERS = {"model", "cached_outputs", "retriever", "rag", "rows", "dataset"}


def text(rest: Rest, path: str, method: str = "GET", **given: Any) -> str:
    answer = requests.request(method, rest.base + path, timeout=30, **given)
    answer.raise_for_status()
    return answer.text


@pytest.mark.reference(
    "b.8 targets configs", "b.2 version", "b schema_version", "b type_prefix", "b.3 normalised"
)
def test_targets_and_configs_leave_nulls_out(rest: Rest) -> None:
    target = rest("POST", "/targets", 201, json=MODEL)
    assert set(target) == {*ENTITY, "type", "model"}
    model = target["model"]
    assert set(model) == {*ENTITY, *BOOK, "type_prefix", "api_endpoint"}
    assert (model["schema_version"], model["type_prefix"]) == ("1.0", "model")
    config = rest("POST", "/configs", 201, json=chat_config("hf://datasets/a/b"))
    assert set(config) == {*ENTITY, "type", "params", "tasks"}
    assert set(config["tasks"]["qa"]) == {"type", "params", "dataset", "metrics"}
    dataset = config["tasks"]["qa"]["dataset"]
    assert set(dataset) == {*ENTITY, *BOOK, "files_url"}
    assert re.fullmatch(f"dataset-{ID}", dataset["id"])
    for entity in (model, dataset):
        assert entity["name"] == entity["id"]
        assert entity["namespace"] == "default"
        assert NAIVE_TIME.fullmatch(entity["created_at"])
        assert (entity["version_id"], entity["version_tags"]) == ("main", [])
        assert entity["custom_fields"] == {}
    for kind, entity in (("targets", target), ("configs", config)):
        assert "null" not in text(rest, f"/{kind}/default/{entity['id']}")
        (listed,) = rest("GET", f"/{kind}", params={"search[id]": entity["id"]})["data"]
        assert listed == entity


@pytest.mark.reference(
    "b.8 jobs", "b.5 embedded", "b schema_version", "b type_prefix", "f inline", "f urn"
)
def test_jobs_show_nulls(rest: Rest, ns: str) -> None:
    body = {"namespace": ns, "target": MODEL, "config": chat_config("hf://datasets/no/such")}
    job = rest("POST", "/jobs", 201, json=body)
    assert set(job) == JOB_KEYS
    assert {k for k, v in job.items() if v is None} == {
        *TARGET_NULLS,
        "result",
        "output_files_url",
    }
    target = job["target"]
    assert set(target) == {
        *ENTITY,
        *TARGET_NULLS,
        *MEMBERS,
        "schema_version",
        "type_prefix",
        "type",
    }
    assert {k for k, v in target.items() if v is None} == TARGET_NULLS | MEMBERS - {"model"}
    config = job["config"]
    kinds = {"type", "params", "tasks", "groups"}
    assert set(config) == {*ENTITY, *TARGET_NULLS, *kinds, "schema_version", "type_prefix"}
    assert config["groups"] is None
    for part, prefix in ((target, "eval-target"), (config, "eval-config")):
        assert (part["schema_version"], part["type_prefix"]) == ("1.0", prefix)
        assert re.fullmatch(f"{prefix}-{ID}", part["id"])
        assert part["namespace"] == "default"
    model, dataset = target["model"], config["tasks"]["qa"]["dataset"]
    assert model["type_prefix"] == "model"
    assert model["api_endpoint"]["api_key"] is None
    assert dataset["type_prefix"] is None
    ended = rest.finish(job["id"])
    assert set(ended) >= JOB_KEYS
    parts = {k: ended[k] for k in ("target", "config")}
    assert parts == {k: job[k] for k in parts}
    assert isinstance(ended["result"], str)


@pytest.mark.reference("b.8 fresh job", "b.8 status", "b.8 numbers")
def test_bytes_of_a_fresh_job(rest: Rest) -> None:
    fresh = '"status":"created","status_details":{"message":null,"task_status":{},"progress":null}'
    made = text(rest, "/jobs", "POST", json={"target": ROWS, "config": GOOD})
    assert fresh in made
    assert '"result":null,' in made
    job_id = json.loads(made)["id"]
    rest.finish(job_id)
    status = text(rest, f"/jobs/{job_id}/status")
    assert '"progress":100.0' in status
    assert '"task_status":{"qa":"completed"}' in status


@pytest.mark.reference("b.8 status")
def test_a_status_shows_nulls(rest: Rest, ended: Ended) -> None:
    known = {"message", "task_status", "progress"}
    assert known <= set(rest("GET", f"{ended.path}/status"))
    made = rest("POST", "/jobs", 201, json={"target": ROWS, "config": GOOD})
    assert known <= set(rest("GET", f"/jobs/{made['id']}/status"))


@pytest.mark.reference("b.8 results", "b.8 numbers", "b.6 id", "b.6 members", "f ids")
def test_results_leave_nulls_out(rest: Rest, ended: Ended) -> None:
    shown = text(rest, f"{ended.path}/results")
    result = json.loads(shown)
    assert "null" not in shown
    assert set(result) == {
        "id",
        "job",
        "namespace",
        "created_at",
        "updated_at",
        "custom_fields",
        "files_url",
        "tasks",
        "groups",
    }
    assert re.fullmatch(f"evaluation_result-{ID}", result["id"])
    assert result["files_url"] == f"hf://datasets/evaluation-results/{ended.job['id']}"
    assert '"groups":{}' in shown
    assert '"custom_fields":{}' in shown
    assert '"scores":{"string-check":{"value":1.0,"stats":{"count":1,"sum":1.0,"mean":1.0' in shown


@pytest.mark.reference("b.7 delete", "f delete answer")
def test_bytes_of_a_delete(rest: Rest) -> None:
    target_id = rest("POST", "/targets", 201, json=ROWS)["id"]
    assert text(rest, f"/targets/default/{target_id}", "DELETE") == (
        f'{{"message":"Resource deleted successfully.","id":"{target_id}","deleted_at":null}}'
    )


@pytest.mark.reference("b.8 result at start", "f results before the end")
def test_the_result_is_there_when_the_job_starts(rest: Rest, ended: Ended) -> None:
    running = next(s for s in ended.job["state_history"] if s["status"] == "running")
    completed = next(s for s in ended.job["state_history"] if s["status"] == "completed")
    assert running["at"] <= ended.result["created_at"] < completed["at"]
    assert ended.result["updated_at"] >= completed["at"]


@pytest.mark.reference("b.8 secrets", "f secrets", "rule 7")
def test_secrets_are_stars_at_any_depth(rest: Rest) -> None:
    def model() -> dict[str, Any]:
        return {"api_endpoint": {"url": "http://m/v1", "model_id": "m", "api_key": "canary"}}

    made = rest("POST", "/targets", 201, json={"type": "model", "model": model()})
    assert made["model"]["api_endpoint"]["api_key"] == "******"
    shown = text(rest, "/configs", "POST", json=judged(model()))
    assert "canary" not in shown
    config = json.loads(shown)
    params = config["tasks"]["qa"]["params"]
    assert params["judge"]["model"]["api_key"] == "******"
    for key in ("judge_llm", "judge_embeddings"):
        assert params[key]["api_endpoint"]["api_key"] == "******"
    assert config["params"]["extra"] == {"hf_token": "******", "top_k": 1}
    assert rest("GET", f"/configs/default/{config['id']}") == config


def judged(model: dict[str, Any]) -> dict[str, Any]:
    """A config with a key wherever one is known to be."""
    config = chat_config("hf://datasets/a/b")
    config["params"]["extra"] = {"hf_token": "canary", "top_k": 1}
    config["tasks"]["qa"]["params"] |= {
        "judge": {"model": {"url": "http://m/v1", "model_id": "m", "api_key": "canary"}},
        "judge_llm": model,
        "judge_embeddings": model,
    }
    return config
