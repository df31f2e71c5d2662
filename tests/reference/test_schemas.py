"""Entities of REST API v1: what may be sent, and what is shown."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import ID, NAIVE_TIME, Rest
from tests.reference.conftest import Ended

ENDPOINT = {"url": "http://m/v1", "model_id": "m"}
MODEL = {"api_endpoint": ENDPOINT}
DATASET = {"files_url": "hf://datasets/a/b"}
FILES = {"files_url": "hf://datasets/a/b"}
ENTITY = {"id", "name", "namespace", "created_at", "updated_at", "custom_fields"}
BOOK = {*ENTITY, "schema_version", "version_id", "version_tags"}
"""What the server writes into a model or data set inside another entity."""


def holds(shown: Any, sent: Any) -> bool:
    """Whether an answer has all that was sent, at any depth."""
    if isinstance(sent, dict):
        return isinstance(shown, dict) and all(holds(shown.get(k), v) for k, v in sent.items())
    return bool(shown == sent)


@pytest.mark.reference(
    "b id", "b name", "b namespace", "b times", "b custom_fields", "f ids", "f namespace", "f names"
)
@pytest.mark.parametrize(("kind", "prefix"), [("target", "eval-target"), ("config", "eval-config")])
def test_what_the_server_fills_in(rest: Rest, ns: str, kind: str, prefix: str) -> None:
    body = ROWS if kind == "target" else GOOD
    made = rest("POST", f"/{kind}s", 201, json=body)
    assert set(made) == ENTITY | set(body)
    assert re.fullmatch(f"{prefix}-{ID}", made["id"])
    assert made["name"] == made["id"]
    assert made["namespace"] == "default"
    assert made["custom_fields"] == {}
    for time in ("created_at", "updated_at"):
        assert NAIVE_TIME.fullmatch(made[time])
    rest("POST", f"/{kind}s", 201, json={**body, "namespace": ns, "name": "n"})
    rest("POST", f"/{kind}s", 409, json={**body, "namespace": ns, "name": "n"})
    rest("POST", f"/{kind}s", 201, json={**body, "namespace": f"{ns}-2", "name": "n"})


@pytest.mark.reference("b texts", "b ownership", "b custom_fields")
def test_what_a_caller_gives(rest: Rest) -> None:
    given = {
        "description": "d",
        "project": "urn:p",
        "custom_fields": {"k": {"deep": [1, None, "x"]}},
        "ownership": {
            "created_by": "a",
            "updated_by": "b",
            "access_policies": {"read": "all"},
        },
    }
    for path, body in (
        ("/targets", ROWS),
        ("/configs", GOOD),
        ("/jobs", {"target": ROWS, "config": GOOD}),
    ):
        assert holds(rest("POST", path, 201, json={**body, **given}), given)


@pytest.mark.reference(
    "b.1 type",
    "b.1 model",
    "b.1 cached_outputs",
    "b.1 retriever",
    "b.1 rag",
    "b.1 rows",
    "b.1 dataset",
)
@pytest.mark.parametrize(
    "target",
    [
        {"type": "model", "model": "ns/name"},
        {"type": "model", "model": "ns/name@version"},
        {"type": "model", "model": MODEL},
        {"type": "cached_outputs", "cached_outputs": FILES},
        {"type": "retriever", "retriever": {"dataset": DATASET, "cached_outputs": FILES}},
        {
            "type": "retriever",
            "retriever": {
                "pipeline": {
                    "query_embedding_model": "ns/q",
                    "index_embedding_model": MODEL,
                    "reranker_model": "ns/r",
                    "top_k": 5,
                }
            },
        },
        {
            "type": "rag",
            "rag": {
                "pipeline": {
                    "retriever": {
                        "pipeline": {
                            "query_embedding_model": MODEL,
                            "index_embedding_model": "ns/i",
                        }
                    },
                    "model": "ns/m",
                    "context_ordering": "desc",
                }
            },
        },
        {"type": "rag", "rag": {"cached_outputs": FILES, "dataset": "ns/d"}},
        {"type": "rows", "rows": [{"a": 1, "b": [{"c": None}]}, {}]},
        {"type": "dataset", "dataset": "ns/name"},
        {"type": "dataset", "dataset": DATASET},
    ],
)
def test_types_of_targets(rest: Rest, target: dict[str, Any]) -> None:
    made = rest("POST", "/targets", 201, json=target)
    assert holds(made, target)
    assert rest("GET", f"/targets/default/{made['id']}") == made


@pytest.mark.reference(
    "b.1 type", "b.1 cached_outputs", "b.2 api_endpoint", "b.3 members", "b.4 type"
)
@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        ("/targets", {"type": "prompt"}, ["body", "type"]),
        ("/targets", {"model": "m"}, ["body", "type"]),
        (
            "/targets",
            {"type": "cached_outputs", "cached_outputs": {}},
            ["body", "cached_outputs"],
        ),
        (
            "/targets",
            {"type": "model", "model": {"api_endpoint": {"url": "http://m"}}},
            ["body", "model", "api_endpoint", "model_id"],
        ),
        (
            "/targets",
            {"type": "model", "model": {"api_endpoint": {"model_id": "m"}}},
            ["body", "model", "api_endpoint", "url"],
        ),
        (
            "/targets",
            {"type": "dataset", "dataset": {"limit": 1}},
            ["body", "dataset", "files_url"],
        ),
        ("/configs", {"tasks": {}}, ["body", "type"]),
    ],
)
def test_what_is_required(rest: Rest, path: str, body: dict[str, Any], loc: list[str]) -> None:
    (reason,) = rest("POST", path, 422, json=body)["detail"]
    assert reason["loc"] == loc


@pytest.mark.reference(
    "b.2 api_endpoint",
    "b.2 prompt",
    "b.2 artifact",
    "b.2 base_model",
    "b.2 peft spec guardrails",
    "b.2 version",
    "b.2 unknown keys",
)
@pytest.mark.parametrize("base_model", ["meta/llama", {"name": "llama", "namespace": "meta"}])
def test_models(rest: Rest, base_model: Any) -> None:
    model = {
        "name": "m",
        "namespace": "n",
        "description": "d",
        "project": "p",
        "custom_fields": {"k": "v"},
        "ownership": {"created_by": "a", "access_policies": {}},
        "api_endpoint": {**ENDPOINT, "format": "openai", "stream": True},
        "prompt": {
            "system_prompt": "s",
            "system_prompt_template": "t",
            "icl_few_shot_examples": "e",
            "inference_params": {
                "max_tokens": 1,
                "temperature": 0.5,
                "top_p": 0.5,
                "top_k": 2,
                "stop": ["x"],
                "max_retries": 3,
                "request_timeout": 4,
            },
            "reasoning_params": {
                "effort": "low",
                "end_token": "</think>",
                "include_if_not_finished": True,
            },
        },
        "artifact": {
            **FILES,
            "status": "upload_completed",
            "backend_engine": "vllm",
            "gpu_arch": "Hopper",
            "precision": "bf16",
            "tensor_parallelism": 2,
        },
        "base_model": base_model,
        "peft": {"finetuning_type": "lora", "lora": {"alpha": 16}},
        "spec": {
            "context_size": 4096,
            "is_chat": True,
            "num_parameters": 8e9,
            "num_virtual_tokens": 0,
        },
        "guardrails": {"guardrail_config": "ns/g"},
        "model_providers": ["ns/p"],
        "version_id": "v2",
        "version_tags": ["best"],
    }
    assert holds(
        rest("POST", "/targets", 201, json={"type": "model", "model": model})["model"], model
    )


@pytest.mark.reference("b.2 format")
@pytest.mark.parametrize("format", [None, "nim", "openai", "lama_stack"])
def test_format_of_an_endpoint(rest: Rest, format: str | None) -> None:
    model = {"api_endpoint": {**ENDPOINT, "format": format}}
    made = rest("POST", "/targets", 201, json={"type": "model", "model": model})
    assert made["model"]["api_endpoint"] == {**ENDPOINT, "format": format or "nim"}


@pytest.mark.reference("b.3 members")
def test_datasets(rest: Rest) -> None:
    dataset = {
        **DATASET,
        "name": "d",
        "namespace": "n",
        "format": "beir",
        "hf_endpoint": "https://huggingface.co",
        "limit": 3,
        "split": "test",
        "version_id": "v2",
        "version_tags": ["best"],
    }
    made = rest("POST", "/targets", 201, json={"type": "dataset", "dataset": dataset})
    assert holds(made["dataset"], dataset)


@pytest.mark.reference("b.4 params", "b.4 stop", "b.4 tasks", "b.4 groups")
@pytest.mark.parametrize("stop", ["<|eot|>", ["<|eot|>", "\n"]])
def test_configs(rest: Rest, stop: Any) -> None:
    config = {
        "type": "custom",
        "params": {
            "limit_samples": 1,
            "parallelism": 2,
            "max_retries": 3,
            "request_timeout": 4,
            "max_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop": stop,
            "extra": {"top_k": 1, "anything": {"at": ["all"]}},
        },
        "tasks": {
            "inline": {
                "type": "chat-completion",
                "params": {"template": "{{ item.a }}"},
                "dataset": DATASET,
                "metrics": GOOD["tasks"]["qa"]["metrics"],
            },
            "by reference": {
                "type": "chat-completion",
                "params": {"template": "{{ item.a }}"},
                "dataset": "ns/name",
                "metrics": {"m": {"type": "bleu", "params": {"references": ["{{ item.a }}"]}}},
            },
        },
        "groups": {
            "g": {
                "tasks": ["inline"],
                "groups": {"inner": {"tasks": ["by reference"]}},
                "metrics": {"m": {"type": "mean"}},
            }
        },
    }
    made = rest("POST", "/configs", 201, json=config)
    shown = made["params"].pop("stop")
    assert shown == ([stop] if isinstance(stop, str) else stop)
    del config["params"]["stop"]
    assert holds(made, config)


@pytest.mark.reference("b.5 members", "b.5 status", "b.5 details", "b.5 create keys", "rule 3")
def test_jobs(rest: Rest, ended: Ended) -> None:
    sent = {
        "target": ROWS,
        "config": GOOD,
        "status": "completed",
        "status_details": {"message": "m", "progress": 50.0, "task_status": {"qa": "running"}},
        "result": "r",
        "output_files_url": "u",
    }
    made = rest("POST", "/jobs", 201, json=sent)
    assert made["status"] == "created"
    assert made["status_details"] == {"message": None, "task_status": {}, "progress": None}
    assert made["result"] is None
    details = ended.job["status_details"]
    assert details == {
        "message": "Job completed successfully",
        "task_status": {"qa": "completed"},
        "progress": 100.0,
        "samples_processed": 1,
    }
    for status in (
        "created",
        "pending",
        "running",
        "cancelling",
        "cancelled",
        "failed",
        "completed",
        "ready",
        "unknown",
    ):
        rest("GET", f"/jobs?filter[status]={status}&page=1000")


@pytest.mark.reference("b.6 members", "b.6 shape", "b.6 stats")
def test_results(rest: Rest, ended: Ended) -> None:
    made = rest("POST", "/jobs", 201, json={"target": ROWS, "config": GOOD})
    old = rest.finish(made["id"])["result"]
    rest("DELETE", f"/results/{old}")
    stats = {
        "count": 2,
        "sum": 3.0,
        "mean": 1.5,
        "min": 1.0,
        "max": 2.0,
        "sum_squared": 5.0,
        "variance": 0.25,
        "stddev": 0.5,
        "stderr": 0.5,
        "nan_count": 1,
    }
    metrics = {"m": {"scores": {"all": {"value": 1.5, "stats": stats}, "bare": {"value": None}}}}
    sent = {
        "job": made["id"],
        "namespace": "n",
        "description": "d",
        "project": "p",
        "custom_fields": {"k": "v"},
        "ownership": {"created_by": "a"},
        "files_url": "hf://datasets/a/b",
        "tasks": {"t": {"metrics": metrics, "data": {"best": "prompt"}}},
        "groups": {"g": {"metrics": metrics, "groups": {"inner": {"metrics": {}}}}},
    }
    result = rest("POST", "/results", 201, json=sent)
    assert holds(result, sent)
    assert set(result) == {*sent, "id", "created_at", "updated_at"}
