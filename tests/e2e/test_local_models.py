"""Models that are only files: run by the job itself, on the GPUs that it gets, and then gone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.checkpoint import checkpoint
from tests.e2e.test_process import children
from tests.e2e.test_rest import Rest
from tests.service import Service

COUNTRIES = ["France", "Italy", "Spain", "Chile", "Kenya", "Japan", "Peru", "Cuba"]
URL = "hf://datasets/ns/tiny"
PARAMS = {"temperature": 0, "max_tokens": 10}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[Service]:
    """A service with two simulated GPUs and a checkpoint in its store."""
    folder = tmp_path_factory.mktemp("local")
    with Service(folder, EVALD_GPUS="2", EVALD_SLOTS="1", OMP_NUM_THREADS="1") as service:
        names = (path for path in files.iterdir() if not path.name.startswith("."))
        service.run("datasets", "put", "ns/tiny", *map(str, names))
        yield service


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


def target(url: str = URL, **artifact: Any) -> dict[str, Any]:
    return {"type": "model", "model": {"name": "tiny", "artifact": {"files_url": url, **artifact}}}


def put(service: Service, folder: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"files_url": service.run("datasets", "put", "ns/rows", str(folder / "rows.jsonl"))}


def generated(files: Path, questions: list[str]) -> list[str]:
    """What transformers itself answers."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(files).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(files)
    answers = []
    for question in questions:
        inputs = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        found = model.generate(**inputs, max_new_tokens=10, do_sample=False, pad_token_id=0)
        new = found[0][inputs["input_ids"].shape[1] :]
        answers.append(str(tokenizer.decode(new, skip_special_tokens=True)))
    return answers


def value(result: dict[str, Any], metric: str) -> float:
    found: float = result["tasks"]["qa"]["metrics"][metric]["scores"][metric]["value"]
    return found


def test_flows_run_on_a_checkpoint(
    service: Service, rest: Rest, files: Path, tmp_path: Path
) -> None:
    questions = [f"What is the capital of {country}?" for country in COUNTRIES]
    own = generated(files, questions)
    ideals = [text if n % 4 else "otherwise" for n, text in enumerate(own)]
    dataset = put(
        service,
        tmp_path,
        [{"prompt": q, "ideal_response": i} for q, i in zip(questions, ideals, strict=True)],
    )
    check = {"check": ["{{ sample.output_text }}", "equals", "{{ item.ideal_response }}"]}
    custom = {
        "type": "chat-completion",
        "dataset": dataset,
        "params": {"template": "{{ item.prompt }}"},
        "metrics": {"string-check": {"type": "string-check", "params": check}},
    }
    similar = {"type": "default", "dataset": dataset, "metrics": {"accuracy": {"type": "accuracy"}}}
    for kind, task, metric in (
        ("custom", custom, "string-check"),
        ("similarity_metrics", similar, "accuracy"),
    ):
        config = {"type": kind, "params": PARAMS, "tasks": {"qa": task}}
        body = {"target": target(), "config": config}
        job = rest.finish(rest("POST", "/jobs", 201, json=body)["id"])
        assert (job["status"], job.get("error")) == ("completed", None)
        assert value(rest("GET", f"/jobs/{job['id']}/results"), metric) == 0.75
        samples = rest("GET", f"/jobs/{job['id']}/samples?page_size=100")["data"]
        said = {s["index"]: s["sample"]["output_text"] for s in samples}
        assert [said[n] for n in range(len(own))] == own
    # The process waits for another job: it holds neither port nor weights.
    used = [p for p in map(psutil.Process, children(service.pid)) if has(p, "libtorch")]
    assert used
    for process in used:
        assert not [c for c in process.net_connections("inet") if c.status == "LISTEN"]
        assert not has(process, "model.safetensors")


def has(process: psutil.Process, name: str) -> bool:
    """Whether a file is in the memory of a process."""
    return name in Path(f"/proc/{process.pid}/maps").read_text()


def test_a_job_that_writes_is_cancelled(service: Service, rest: Rest, tmp_path: Path) -> None:
    dataset = put(service, tmp_path, [{"prompt": f"Count to {n}."} for n in range(200)])
    metrics = {"found": {"type": "string-check", "params": {"check": ["a", "equals", "a"]}}}
    params = {"max_tokens": 400, "extra": {"presence_penalty": 1}}
    template = {"template": "{{ item.prompt }}"}
    task = {"type": "completion", "dataset": dataset, "params": template, "metrics": metrics}
    config = {"type": "custom", "params": params, "tasks": {"qa": task}}
    job = rest("POST", "/jobs", 201, json={"target": target(), "config": config})["id"]
    deadline = time.monotonic() + 60
    while not rest("GET", f"/jobs/{job}")["status_details"].get("samples_processed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rest("POST", f"/jobs/{job}/cancel")
    assert rest.finish(job)["status"] == "cancelled"


def test_what_cannot_be_run_is_told_of(service: Service, rest: Rest, tmp_path: Path) -> None:
    dataset = put(service, tmp_path, [{"prompt": "Paris?", "ideal_response": "yes"}])
    task = {"type": "default", "dataset": dataset, "metrics": {"em": {"type": "em"}}}
    config = {"type": "similarity_metrics", "tasks": {"qa": task}}
    body = {"target": target("hf://ns/none"), "config": config}
    job = rest.finish(rest("POST", "/jobs", 201, json=body)["id"])
    assert job["status"] == "failed"
    assert job["error"]["kind"] == "model"
    assert "evald datasets put ns/none" in job["error"]["message"]
    empty = {"type": "model", "model": {"artifact": {}}}
    refused = rest("POST", "/jobs", 422, json={"target": empty, "config": config})
    assert "files_url" in json.dumps(refused)
