"""Which targets a config works with: table (d), every cell, asked with `validate_only`."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import Rest, chat_config, fresh

URL = "hf://datasets/any/rows"
DATASET = {"files_url": URL}
MODEL = {"api_endpoint": {"url": "http://127.0.0.1:9/v1", "model_id": "m"}}
EMBEDDERS = {"query_embedding_model": MODEL, "index_embedding_model": MODEL}
PIPELINE = {"pipeline": EMBEDDERS}

TARGETS: dict[str, dict[str, Any]] = {
    "model": {"type": "model", "model": MODEL},
    "cached_outputs": {"type": "cached_outputs", "cached_outputs": DATASET},
    "rows": ROWS,
    "dataset": {"type": "dataset", "dataset": DATASET},
    "retriever": {"type": "retriever", "retriever": PIPELINE},
    "retriever with a reranker": {
        "type": "retriever",
        "retriever": {"pipeline": {**EMBEDDERS, "reranker_model": MODEL}},
    },
    "rag": {"type": "rag", "rag": {"pipeline": {"retriever": PIPELINE, "model": MODEL}}},
    "rag of cached outputs": {"type": "rag", "rag": {"cached_outputs": DATASET}},
}


def tasks(kind: str, **task: Any) -> dict[str, Any]:
    return {"type": kind, "tasks": {"t": task}}


def custom(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    metrics = {"m": {"type": "number-check", "params": {"check": ["{{ n }}", "==", 1]}}}
    return tasks("custom", type=kind, dataset=DATASET, params=params, metrics=metrics)


JUDGE = {"model": MODEL}
BEIR = {"type": "beir", "dataset": DATASET}
RECALL = {"recall_5": {"type": "recall_5"}}
FAITHFULNESS = {"faithfulness": {"type": "faithfulness"}}
JUDGES = {"judge_llm": MODEL, "judge_embeddings": MODEL}
OPTIMIZER = {"type": "miprov2", "instruction": "Count.", "signature": "text -> n: int"}
CONFIGS: dict[str, dict[str, Any]] = {
    "custom completion": custom("completion", {"template": {"prompt": "{{ item.q }}"}}),
    "custom chat-completion": chat_config(URL),
    "custom data": GOOD,
    "custom prompt-optimization": custom("prompt-optimization", {"optimizer": OPTIMIZER}),
    "similarity_metrics": tasks(
        "similarity_metrics", dataset=DATASET, metrics={"f1": {"type": "f1"}}
    ),
    "LM harness": {"type": "mmlu"},
    "BigCode": {"type": "humaneval"},
    "simple-evals": {"type": "AIME_2024"},
    "BFCL": tasks("bfclv3", type="simple"),
    "safety": {"type": "wildguard", "params": {"extra": {"judge": JUDGE}}},
    "retriever": tasks("retriever", **BEIR, metrics=RECALL),
    "rag": tasks("rag", **BEIR, metrics=RECALL | FAITHFULNESS, params=JUDGES),
    "rag of answers": tasks("rag", type="ragas", metrics=FAITHFULNESS, params=JUDGES),
    "agentic": tasks("agentic", type="tool_call_accuracy"),
}

TABLE: dict[str, set[str]] = {
    "custom completion": {"model"},
    "custom chat-completion": {"model"},
    "custom data": {"rows", "dataset"},
    "custom prompt-optimization": {"model"},
    "similarity_metrics": {"model", "cached_outputs"},
    **{kind: {"model"} for kind in ("LM harness", "BigCode", "simple-evals", "BFCL", "safety")},
    "retriever": {"retriever", "retriever with a reranker"},
    "rag": {"rag"},
    "rag of answers": {"rag of cached outputs"},
    "agentic": {"cached_outputs", "dataset"},
}
LIVE = {"rows", "dataset"}


@pytest.mark.reference("d *")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_cell(rest: Rest, config: str, target: str) -> None:
    ns = fresh()
    answer = requests.post(
        f"{rest.base}/jobs?validate_only=true",
        json={"namespace": ns, "target": TARGETS[target], "config": CONFIGS[config]},
        timeout=30,
    )
    if target in TABLE[config]:
        assert answer.status_code == 201, answer.text
        assert answer.json()["target"]["type"] == TARGETS[target]["type"]
    else:
        assert answer.status_code == 422, answer.text
        # Of a type that it takes, a config may want to know more.
        taken = {TARGETS[name]["type"] for name in TABLE[config]}
        part = {"target", "config"} if TARGETS[target]["type"] in taken else {"target"}
        assert {problem["loc"][1] for problem in answer.json()["detail"]} <= part
    assert rest("GET", "/jobs", params={"filter[namespace]": ns})["data"] == []


@pytest.mark.reference("d POST live")
@pytest.mark.parametrize("target", TARGETS)
def test_a_cell_of_live(rest: Rest, files_url: str, target: str) -> None:
    """Live has no `validate_only`: it keeps nothing anyhow."""
    given = {
        **TARGETS[target],
        **({"dataset": {"files_url": files_url}} if target == "dataset" else {}),
    }
    body = {"target": given, "config": GOOD}
    if target in LIVE:
        assert rest("POST", "/live", json=body)["status"] in {"completed", "failed"}
    else:
        (problem,) = rest("POST", "/live", 422, json=body)["detail"]
        assert problem["loc"] == ["body", "target", "type"]
