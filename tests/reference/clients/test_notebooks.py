"""The vendor's notebooks: four ways to wait for a job, and what is read afterwards."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from nemo_microservices import NeMoMicroservices

from tests.e2e.test_bad_input import check_config
from tests.e2e.test_rest import chat_config, model_target, put
from tests.endpoint import Endpoint
from tests.judge import verdict
from tests.service import Service

HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


class Notebook:
    """Cells that post JSON and print what comes back."""

    def __init__(self, service: Service) -> None:
        self.url = f"{service.rest}/v1/evaluation"

    def post(self, path: str, body: Any) -> Any:
        return requests.post(f"{self.url}{path}", headers=HEADERS, data=json.dumps(body)).json()

    def get(self, path: str) -> Any:
        return requests.get(f"{self.url}{path}", headers=HEADERS).json()


def end_to_end(notebook: Notebook, job_id: str) -> str:
    """Waits while the job has not ended, showing how far it is."""
    job = notebook.get(f"/jobs/{job_id}")
    while job["status"] in {"pending", "created", "running"}:
        f"{job['status_details']['progress']}"
        time.sleep(0.02)
        job = notebook.get(f"/jobs/{job_id}")
    return str(job["status"])


def triage(notebook: Notebook, job_id: str) -> str:
    """Lets the job start, then compares progress with a number until it is done."""
    # Three seconds there; here until the job runs.
    while notebook.get(f"/jobs/{job_id}")["status"] == "created":
        time.sleep(0.02)
    while not notebook.get(f"/jobs/{job_id}/status")["progress"] >= 100:
        time.sleep(0.02)
    return "completed"


def prompt_optimization(notebook: Notebook, job_id: str) -> str:
    """Waits for one of three states."""
    while True:
        status = notebook.get(f"/jobs/{job_id}")["status"]
        if status in {"completed", "failed", "cancelled"}:
            return str(status)
        time.sleep(0.02)


@pytest.fixture
def notebook(service: Service) -> Notebook:
    return Notebook(service)


@pytest.mark.reference("g notebooks", "rule 2", "rule 3")
@pytest.mark.parametrize("wait", [end_to_end, triage, prompt_optimization])
def test_three_ways_to_wait(
    notebook: Notebook,
    ns: str,
    files_url: str,
    endpoint: Endpoint,
    wait: Callable[[Notebook, str], str],
) -> None:
    endpoint.latency = 0.02
    target = notebook.post("/targets", {"namespace": ns, "name": "t", **model_target(endpoint)})
    body = {"namespace": ns, "name": "c", **chat_config(files_url, parallelism=1)}
    config = notebook.post("/configs", body)
    job = notebook.post(
        "/jobs",
        {
            "namespace": ns,
            "target": f"{target['namespace']}/{target['name']}",
            "config": f"{config['namespace']}/{config['name']}",
        },
    )
    assert wait(notebook, job["id"]) == "completed"
    status = notebook.get(f"/jobs/{job['id']}/status")
    assert (status["progress"], status["task_status"]) == (100.0, {"qa": "completed"})
    results = notebook.get(f"/jobs/{job['id']}/results")
    scores = results["tasks"]["qa"]["metrics"]["match"]["scores"]
    assert scores["string-check"]["value"] == pytest.approx(0.6)
    answer = requests.get(f"{notebook.url}/jobs/{job['id']}/download-results", headers=HEADERS)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "results.json" in archive.namelist()


@pytest.mark.reference("g notebooks", "g notebooks retriever", "rule 8")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_embedding_notebook(service: Service, ns: str, endpoint: Endpoint) -> None:
    """The fourth way: the client asks for the status until it is an end, and reads the recall of an
    embedder from the task."""
    model = {"api_endpoint": {"url": f"{endpoint.url}/embeddings", "model_id": "words"}}
    pipeline = {"query_embedding_model": model, "index_embedding_model": model, "top_k": 10}
    measures = ("recall_5", "ndcg_cut_5")
    task = {
        "type": "beir",
        "dataset": {"files_url": "file://python/", "limit": 60},
        "metrics": {name: {"type": name} for name in measures},
    }
    with NeMoMicroservices(base_url=service.rest) as client:
        evaluation = client.evaluation
        evaluation.targets.create(
            namespace=ns, name="t", type="retriever", retriever={"pipeline": pipeline}
        )
        evaluation.configs.create(
            namespace=ns,
            name="c",
            type="retriever",
            params={"limit_samples": 6},
            tasks={"scidocs": task},
        )
        job = evaluation.jobs.create(namespace=ns, target=f"{ns}/t", config=f"{ns}/c")
        while (ended := evaluation.jobs.retrieve(job.id)).status not in {"completed", "failed"}:
            time.sleep(0.02)
        assert ended.status == "completed"
        results = evaluation.jobs.results(job.id)
    together = results.groups["evaluation"].metrics["evaluation"].scores
    for name in measures:
        own = results.tasks["scidocs"].metrics[f"retriever.{name}"].scores[name]
        assert 0.0 < own.value <= 1.0
        assert own.stats.count == 6
        assert together[name].value == own.value


@pytest.mark.reference("rule 8")
def test_scores_of_rag_are_in_both_places(
    service: Service, notebook: Notebook, ns: str, tmp_path: Path
) -> None:
    row = {
        "question": "Where?",
        "contexts": ["In Paris."],
        "answer": "Paris.",
        "ground_truth": "Paris",
    }
    path = tmp_path / "rag.jsonl"
    path.write_text(json.dumps(row))
    outputs = {"files_url": put(service, f"{ns}/answers", path)}
    measures = ("faithfulness", "answer_similarity")
    with Endpoint(reply=verdict) as judge:
        model = {"api_endpoint": {"url": judge.url, "model_id": "judge"}}
        task = {
            "type": "ragas",
            "params": {"judge_llm": model, "judge_embeddings": model},
            "metrics": {name: {"type": name} for name in measures},
        }
        target = {"type": "rag", "rag": {"cached_outputs": outputs}}
        config = {"type": "rag", "tasks": {"qa": task}}
        job = notebook.post("/jobs", {"target": target, "config": config})
        assert end_to_end(notebook, job["id"]) == "completed"
    results = notebook.get(f"/jobs/{job['id']}/results")
    together = results["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    assert together.keys() == set(measures)
    for name in measures:
        own = results["tasks"]["qa"]["metrics"][f"rag.{name}"]["scores"][name]
        assert own["stats"]["count"] == 1
        assert together[name]["value"] == own["value"]
    assert together["faithfulness"]["value"] == 1.0


@pytest.mark.reference("g notebooks", "f inline")
@pytest.mark.parametrize("wait", [end_to_end, prompt_optimization])
def test_a_cell_run_again_after_a_failure(
    notebook: Notebook, wait: Callable[[Notebook, str], str]
) -> None:
    endpoint = {"url": "http://127.0.0.1:9/v1/chat/completions", "model_id": "m"}
    config = chat_config("hf://datasets/no/such/")
    body = {
        "target": {"type": "model", "name": "mine", "model": {"api_endpoint": endpoint}},
        "config": {**config, "name": "my-evaluation"},
    }
    for _ in range(2):
        job = notebook.post("/jobs", body)
        assert wait(notebook, job["id"]) == "failed"
        assert notebook.get(f"/jobs/{job['id']}")["status_details"]["message"] == "Job failed"


@pytest.mark.reference("g notebooks", "a.1 POST live", "b.7 live", "f live")
def test_live(service: Service) -> None:
    rows = [{"content": "Blue.", "truth": "blue"}]
    with NeMoMicroservices(base_url=service.rest) as client:
        live = client.evaluation.live(
            config=check_config(["{{ content | lower | trim }}", "contains", "{{ truth }}"]),
            target={"type": "rows", "rows": rows},
        )
    assert live.status == "completed"
    assert live.status_details.progress == 100.0
    stats = live.result.tasks["qa"].metrics["m"].scores["string-check"].stats
    assert (stats.count, stats.sum, stats.mean) == (1, 1.0, 1.0)
    assert live.result.groups == {}
    assert live.result.namespace == "default"
