"""A benchmark of lm-eval as a job: killed in the middle, resumed, and run once more."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_process import children
from tests.e2e.test_rest import Rest
from tests.endpoint import Endpoint
from tests.service import Service

pytestmark = pytest.mark.xdist_group("lm-eval")

COUNT = 60

TRIES = 5
"""Jobs of which one at least has to start in under a second: a machine may be busy for a while."""

KEY = "sesame-open-4711"


def add(request: Mapping[str, Any]) -> str:
    a, b = map(int, re.findall(r"(\d+) plus (\d+)", request["messages"][-1]["content"])[-1])
    return f"#### {a + b + (a % 4 == 0)}"


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_benchmark_survives_its_process(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} plus {n}?", "answer": f"#### {2 * n}"} for n in range(COUNT)]
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        Endpoint(reply=add, latency=0.1) as endpoint,
        Service(tmp_path / "data", EVALD_SLOTS="1") as service,
    ):
        service.run("datasets", "put", "ns/sums", str(file))
        rest = Rest(service)
        model = {"api_endpoint": {"url": endpoint.url, "model_id": "m", "api_key": KEY}}
        config = {
            "type": "gsm8k",
            "params": {"parallelism": 2, "extra": {"num_fewshot": 2, "hf_token": KEY}},
            "tasks": {"sums": {"type": "gsm8k", "dataset": {"files_url": "hf://datasets/ns/sums"}}},
        }
        body = {"target": {"type": "model", "model": model}, "config": config}
        job = f"/jobs/{rest('POST', '/jobs', 201, json=body)['id']}"
        until(lambda: rest("GET", job)["status_details"].get("samples_processed", 0) >= 10)
        asked = len(endpoint.requests)
        assert asked < COUNT
        for pid in children(service.pid):
            if b"executor.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        until(lambda: rest("GET", job)["status"] in {"completed", "failed"})
        ended = rest("GET", job)
        assert (ended["status"], ended.get("error")) == ("completed", None)
        # The two in flight, and what came in the last moment, were asked again.
        assert len(endpoint.requests) <= COUNT + 8
        scores = rest("GET", f"{job}/results")["tasks"]["sums"]["metrics"]
        for name in ("exact_match__strict-match", "exact_match__flexible-extract"):
            score = scores[name]["scores"][name]
            assert score["value"] == pytest.approx(0.75)
            assert (score["stats"]["count"], score["stats"]["nan_count"]) == (COUNT, 0)
        samples = rest("GET", f"{job}/samples?page_size=100")["data"]
        assert sorted(s["index"] for s in samples) == list(range(COUNT))
        assert ended["status_details"]["task_status"] == {"sums": "completed"}

        endpoint.latency = 0.0
        starts = []
        while min(starts, default=1.0) >= 1.0:
            assert len(starts) < TRIES, f"warm children took {starts} seconds to ask"
            begun = len(endpoint.requests)
            created = time.monotonic()
            second = f"/jobs/{rest('POST', '/jobs', 201, json=body)['id']}"
            until(lambda begun=begun: len(endpoint.requests) > begun)
            starts.append(time.monotonic() - created)
            until(lambda job=second: rest("GET", job)["status"] == "completed")
        again = rest("GET", f"{second}/results")["tasks"]["sums"]["metrics"]
        assert again.keys() == scores.keys()
    assert all(
        KEY.encode() not in path.read_bytes()
        for path in (tmp_path / "data").rglob("*")
        if path.is_file()
    )
