"""Langflow's component: it speaks the dialect of early 2025, and is told what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.e2e.test_rest import Rest
from tests.reference.conftest import Ended
from tests.service import Service

HEADERS = {"accept": "application/json", "Content-Type": "application/json"}
METRICS = [{"name": name} for name in ("accuracy", "bleu", "rouge", "em", "bert", "f1")]


class Langflow:
    """Gives each call five seconds, and shows the text of an error."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1/evaluation"

    def post(self, path: str, body: Any) -> Any:
        answer = requests.post(f"{self.url}{path}", headers=HEADERS, json=body, timeout=5.0)
        if answer.status_code >= 400:
            raise ValueError(f"HTTP error {answer.status_code} Response content: {answer.text}")
        return answer.json()


@pytest.fixture
def langflow(service: Service) -> Langflow:
    return Langflow(service.rest)


@pytest.mark.reference("g langflow", "b.4 old dialect")
@pytest.mark.parametrize(
    "config",
    [
        {
            "type": "lm_eval_harness",
            "tasks": [{"type": "gsm8k", "params": {"num_fewshot": 5, "limit": -1}}],
            "params": {"hf_token": "canary", "use_greedy": True, "top_p": 0.0, "stop": []},
        },
        {
            "type": "similarity_metrics",
            "tasks": [
                {
                    "type": "default",
                    "metrics": METRICS,
                    "dataset": {"files_url": "nds:default/data/input.json"},
                    "params": {"tokens_to_generate": 1024, "n_samples": -1},
                }
            ],
        },
    ],
)
def test_lists_of_tasks_are_refused_by_name(langflow: Langflow, config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"HTTP error 422 .*\"tasks\".*dictionary") as refusal:
        langflow.post("/configs", {"namespace": "default", **config})
    assert "canary" not in str(refusal.value)


@pytest.mark.reference("g langflow", "b.4 old dialect")
def test_cached_outputs_inside_a_model_are_refused_by_name(langflow: Langflow) -> None:
    cached = {"cached_outputs": {"files_url": "nds:default/data/output.json"}}
    body = {"type": "model", "namespace": "default", "model": cached}
    with pytest.raises(ValueError, match=r"HTTP error 422 .*Unknown field 'cached_outputs'"):
        langflow.post("/targets", body)


@pytest.mark.reference("g langflow", "f lookup by id")
def test_a_job_by_ids_but_for_its_tags(langflow: Langflow, rest: Rest, ended: Ended) -> None:
    endpoint = {"url": "http://127.0.0.1:9/v1/completions", "model_id": "m"}
    body = {"type": "model", "namespace": ended.namespace, "model": {"api_endpoint": endpoint}}
    assert langflow.post("/targets", body).get("id").startswith("eval-target-")
    job = {
        "tags": ["default"],
        "namespace": ended.namespace,
        "target": f"{ended.namespace}/{ended.target['id']}",
        "config": f"{ended.namespace}/{ended.config['id']}",
    }
    with pytest.raises(ValueError, match=r"HTTP error 422 .*Unknown field 'tags'"):
        langflow.post("/jobs", job)
    del job["tags"]
    assert rest.finish(langflow.post("/jobs", job)["id"])["status"] == "completed"
