"""Weave's scorer: a health check by listing jobs, named parts, and statistics summed up."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.test_rest import fresh, put
from tests.endpoint import Endpoint
from tests.service import Service

METRICS = {
    "same": {
        "type": "string-check",
        "params": {"check": ["{{ sample.output_text }}", "equals", "{{ item.output }}"]},
    },
    "alike": {"type": "f1", "params": {"reference": "{{ item.output }} indeed"}},
}


class Weave:
    """Shows a token that nobody may ask for, and waits without a pause while progress is null."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/v1/evaluation"
        self.headers = {"Authorization": "Bearer none-needed"}

    def check(self) -> None:
        requests.get(f"{self.url}/jobs", timeout=5, headers=self.headers).raise_for_status()

    def post(self, path: str, body: Any) -> Any:
        answer = requests.post(f"{self.url}{path}", headers=self.headers, json=body)
        answer.raise_for_status()
        return answer.json()

    def publish(self, namespace: str, files_url: str, endpoint: Endpoint) -> dict[str, str]:
        """Keeps a config and a target by name, and answers a job of both."""
        name = f"weave-{fresh()}"
        task = {
            "type": "chat-completion",
            "dataset": {"files_url": files_url},
            "params": {
                "template": {"messages": [{"role": "user", "content": "{{ item.output }}"}]}
            },
            "metrics": METRICS,
        }
        self.post(
            "/configs",
            {
                "name": f"eval-config-{name}",
                "namespace": namespace,
                "type": "custom",
                "params": {"parallelism": 1},
                "tasks": {"llm-as-a-judge": task},
            },
        )
        api_endpoint = {"url": endpoint.url, "model_id": "judge", "api_key": "canary"}
        self.post(
            "/targets",
            {
                "name": f"eval-target-{name}",
                "namespace": namespace,
                "type": "model",
                "model": {"api_endpoint": api_endpoint},
            },
        )
        return {
            "namespace": namespace,
            "config": f"{namespace}/eval-config-{name}",
            "target": f"{namespace}/eval-target-{name}",
        }

    def wait(self, job_url: str, interval: float = 0.02) -> None:
        deadline = time.monotonic() + 30
        while (job := self.get(job_url))["status"] != "completed":
            if job["status"] == "failed":
                raise RuntimeError(f"{job}")
            assert time.monotonic() < deadline
            progress = job["status_details"]["progress"]
            if progress is not None and progress < 100.0:
                time.sleep(interval)
                f"{self.get(f'{job_url}/status')['progress']}"

    def get(self, url: str) -> Any:
        return requests.get(url, headers=self.headers).json()

    def score(self, job: dict[str, str]) -> dict[str, Any]:
        job_id = self.post("/jobs", job)["id"]
        self.wait(f"{self.url}/jobs/{job_id}")
        return dict(self.get(f"{self.url}/jobs/{job_id}/results")["tasks"])


def merge(one: Any, other: Any) -> Any:
    """Numbers added at every depth; of anything else the first."""
    if isinstance(one, dict) and isinstance(other, dict):
        shared = {k: merge(v, other[k]) for k, v in one.items() if k in other}
        return {**one, **other, **shared}
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return one + other if numbers else one


def means(tree: Any) -> None:
    """Makes each `mean` anew from `sum` and `count` beside it."""
    if isinstance(tree, dict):
        if {"sum", "count"} <= tree.keys():
            tree["mean"] = tree["sum"] / tree["count"]
        for branch in tree.values():
            means(branch)


@pytest.mark.reference("g weave", "rule 3")
def test_scores_summed_up(service: Service, endpoint: Endpoint, ns: str, tmp_path: Path) -> None:
    weave = Weave(service.rest)
    weave.check()
    totals: dict[str, Any] = {}
    for answers in (["yes", "no, never"], ["maybe"]):
        rows = tmp_path / f"weave-data-{len(answers)}.csv"
        rows.write_text("output\n" + "".join(f'"{answer}"\n' for answer in answers))
        files_url = f"{put(service, f'{ns}/weave', rows)}/{rows.name}"
        tasks = weave.score(weave.publish(ns, files_url, endpoint))
        totals = merge(totals, tasks)
    means(totals)
    same = totals["llm-as-a-judge"]["metrics"]["same"]["scores"]["string-check"]["stats"]
    assert (same["count"], same["sum"], same["mean"]) == (3, 3.0, 1.0)
    alike = totals["llm-as-a-judge"]["metrics"]["alike"]["scores"]["f1"]["stats"]
    assert alike["mean"] == pytest.approx((2 / 3 + 4 / 5 + 2 / 3) / 3)


@pytest.mark.reference("g weave")
def test_a_path_that_is_wrong_still_answers_json(service: Service) -> None:
    weave = Weave(service.rest)
    answer = requests.post(f"{weave.url}/configurations", headers=weave.headers, json={})
    assert answer.status_code == 404
    assert answer.json()["detail"]
