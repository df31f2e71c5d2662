"""The data flywheel: evaluates models on what users asked them, and reads scores by name."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.test_rest import fresh, put
from tests.endpoint import Endpoint, chat
from tests.service import Service

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CALL = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "x"}'}}
ANSWER = "{{ item.response.choices[0].message.content }}"
CALLS = "choices[0].message.tool_calls | tojson"


def judge(endpoint: Endpoint, question: str, score: str) -> dict[str, Any]:
    """A metric that asks a judge for a rating."""
    api_endpoint = {"url": endpoint.url, "model_id": "judge", "api_key": "canary"}
    rating = {"type": "int", "parser": {"type": "regex", "pattern": r"RATING:\s*(\d+)"}}
    return {
        "type": "llm-judge",
        "params": {
            "model": {"api_endpoint": api_endpoint},
            "template": {
                "messages": [
                    {"role": "system", "content": "End in RATING: and a number."},
                    {"role": "user", "content": question},
                ]
            },
            "scores": {score: rating},
        },
    }


def rated(request: Any) -> str:
    """A judge that finds everything good."""
    return f"I read {len(request['messages'][1]['content'])} letters.\nRATING: 9"


class Flywheel:
    """Sends plain requests without a namespace, and takes any other status for a failure."""

    def __init__(self, url: str) -> None:
        self.jobs = f"{url}/v1/evaluation/jobs"

    def launch(self, config: dict[str, Any], model: str | dict[str, Any]) -> str:
        body = {"config": config, "target": {"type": "model", "model": model}}
        answer = requests.post(self.jobs, json=body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    def wait(self, job_id: str, interval: float = 0.02, stalled_after: float = 3600) -> list[float]:
        """The progress that it saw. Raises on every status but the three that it knows."""
        seen, grown, best = [], time.monotonic(), 0.0
        while True:
            assert time.monotonic() - grown < stalled_after
            job = requests.get(f"{self.jobs}/{job_id}").json()
            match job["status"]:
                case "running":
                    progress = job.get("status_details", {}).get("progress")
                    seen.append(float(progress) if progress is not None else 0.0)
                    if seen[-1] > best:
                        grown, best = time.monotonic(), seen[-1]
                case "completed":
                    return [*seen, 100.0]
                case "created":
                    seen.append(0.0)
                case other:
                    raise RuntimeError(f"{other} / {job.get('status_details', {})}")
            time.sleep(interval)

    def results(self, job_id: str) -> dict[str, Any]:
        answer = requests.get(f"{self.jobs}/{job_id}/results")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def download(self, job_id: str, folder: Path) -> dict[str, Any]:
        """The samples by task, from the first `results.json` anywhere in the ZIP."""
        headers = {"accept": "application/json"}
        answer = requests.get(f"{self.jobs}/{job_id}/download-results", headers=headers, timeout=30)
        answer.raise_for_status()
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(folder)
        return dict(json.loads(next(folder.glob("**/results.json")).read_text()))

    def delete(self, job_id: str) -> None:
        answer = requests.delete(f"{self.jobs}/{job_id}", headers={"accept": "application/json"})
        assert answer.status_code in (200, 204), answer.text


def records(folder: Path, message: dict[str, Any]) -> Path:
    """Five logged requests, each with the same answer."""
    path = folder / "eval_data.jsonl"
    with path.open("w") as file:
        for i in range(5):
            request = {
                "model": "prod",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": f'Say "{i}"\nPlease.'},
                ],
                "tools": [TOOL],
            }
            line = {
                "request": request,
                "response": {"choices": [{"message": message}]},
                "workload_id": "w",
                "client_id": "c",
                "timestamp": 1_700_000_000 + i,
            }
            file.write(json.dumps(line) + "\n")
    return path


def config(
    task: str, dataset: dict[str, Any], metrics: dict[str, Any], **template: str
) -> dict[str, Any]:
    messages = "{{ item.request.messages | tojson }}"
    return {
        "type": "custom",
        "tasks": {
            task: {
                "type": "chat-completion",
                "dataset": dataset,
                "params": {"template": {"messages": messages, **template}},
                "metrics": metrics,
            }
        },
    }


@pytest.mark.reference(
    "g data-flywheel", "g data-flywheel judges", "rule 1", "rule 2", "rule 4", "rule 5"
)
@pytest.mark.parametrize("by_name", [True, False])
def test_a_chat_workload(
    service: Service, inference: Endpoint, tmp_path: Path, by_name: bool
) -> None:
    flywheel = Flywheel(service.rest)
    message = {"role": "assistant", "content": "Please.", "tool_calls": None}
    name = fresh()
    put(service, f"{name}/flywheel", records(tmp_path, message))
    dataset = {"files_url": f"hf://datasets/{name}/flywheel/eval_data.jsonl", "limit": 3}
    question = f"Is {{{{ sample.output_text }}}} as good as {ANSWER}?"
    model: Any = f"meta/{name}"
    if not by_name:
        url = f"{inference.url}/chat/completions"
        model = {"api_endpoint": {"url": url, "model_id": model, "api_key": "canary"}}

    with Endpoint(reply=rated) as endpoint:
        metrics = {"llm-judge": judge(endpoint, question, "similarity")}
        job_id = flywheel.launch(config("llm-as-judge", dataset, metrics), model)
        progress = flywheel.wait(job_id)
        read = [request.body["messages"][1]["content"] for request in endpoint.requests]
    assert progress == sorted(progress)
    scores = flywheel.results(job_id)["tasks"]["llm-as-judge"]["metrics"]["llm-judge"]["scores"]
    assert scores["similarity"]["value"] == 9.0
    assert len(read) == 3
    assert all(question.endswith(" as good as Please.?") for question in read)

    samples = flywheel.download(job_id, tmp_path / "unpacked")["llm-as-judge"]
    assert len(samples) == 3
    for sample in samples:
        assert sample["item"]["request"]["messages"][1]["role"] == "user"
        assert sample["sample"]["output_text"]
        assert sample["sample"]["response"]["usage"]["total_tokens"] >= 1
        assert sample["sample"]["response"]["model"]
        for metric in sample["metrics"].values():
            assert {"value": 9.0, "stats": None} in metric["scores"].values()
        assert sample["sample"]["notes"]["llm-judge"][0].endswith("RATING: 9")
    flywheel.delete(job_id)

    asked = [r.body for r in inference.requests if r.body["model"] == f"meta/{name}"]
    wanted = [f'Say "{i}"\nPlease.' for i in range(3)]
    assert sorted(body["messages"][1]["content"] for body in asked) == wanted
    assert all("tools" not in body for body in asked)


@pytest.mark.reference("g data-flywheel", "g data-flywheel judges")
def test_a_tool_calling_workload(service: Service, tmp_path: Path) -> None:
    flywheel = Flywheel(service.rest)
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    name = fresh()
    put(service, f"{name}/flywheel", records(tmp_path, message))
    dataset = {"files_url": f"hf://datasets/{name}/flywheel/eval_data.jsonl"}
    accuracy = {
        "type": "tool-calling",
        "params": {
            "tool_calls_ground_truth": f"{{{{ item.response.{CALLS} }}}}",
            "model": {"api_endpoint": {"url": "http://unused/v1", "model_id": "m"}},
        },
    }
    template = {"tools": "{{ item.request.tools | tojson }}", "tool_choice": "required"}

    def call_tool(request: Any) -> dict[str, Any]:
        reply = chat("", request["model"])
        reply["choices"][0]["message"] |= {"content": None, "tool_calls": [CALL]}
        return reply

    with Endpoint(reply=call_tool) as endpoint, Endpoint(reply=rated) as rater:
        question = f"{{{{ sample.response.{CALLS} }}}} for {{{{ item.response.{CALLS} }}}}?"
        metrics = {
            "tool-calling-accuracy": accuracy,
            "correctness": judge(rater, question, "rating"),
        }
        model = {"api_endpoint": {"url": endpoint.url, "model_id": "m", "api_key": "canary"}}
        wanted = config("custom-tool-calling", dataset, metrics, **template)
        job_id = flywheel.launch(wanted, model)
        flywheel.wait(job_id)
        bodies = [request.body for request in endpoint.requests]
    task = flywheel.results(job_id)["tasks"]["custom-tool-calling"]
    accuracies = task["metrics"]["tool-calling-accuracy"]["scores"]
    assert accuracies["function_name_accuracy"]["value"] == 1.0
    assert accuracies["function_name_and_args_accuracy"]["value"] == 1.0
    assert task["metrics"]["correctness"]["scores"]["rating"]["value"] == 9.0
    assert [(body["tools"], body["tool_choice"]) for body in bodies] == [([TOOL], "required")] * 5
    flywheel.delete(job_id)


@pytest.mark.reference("g data-flywheel")
def test_a_job_that_fails_raises(service: Service) -> None:
    flywheel = Flywheel(service.rest)
    dataset = {"files_url": "hf://datasets/no/such/eval_data.jsonl"}
    check = {"check": ["{{ sample.output_text }}", "contains", ANSWER]}
    metrics = {"llm-judge": {"type": "string-check", "params": check}}
    job_id = flywheel.launch(config("llm-as-judge", dataset, metrics), "meta/any")
    with pytest.raises(RuntimeError, match=r"failed / .*'message': 'Job failed"):
        flywheel.wait(job_id)
    flywheel.delete(job_id)
