"""A model that keeps count, and jobs that ask it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.endpoint import Endpoint


@dataclass
class Model:
    """An endpoint that counts the requests of each row. A prompt is `JOB ROW`, and so is the
    answer."""

    endpoint: Endpoint
    asked: Counter[str] = field(default_factory=Counter)

    @classmethod
    @contextmanager
    def serving(cls, *, latency: float, seed: int) -> Iterator[Model]:
        """`latency` is the mean seconds of an answer."""
        rng = random.Random(seed)
        endpoint = Endpoint(latency=latency, record=False)
        model = cls(endpoint)

        def reply(request: Mapping[str, Any]) -> str:
            prompt = str(request["messages"][0]["content"])
            model.asked[prompt] += 1
            endpoint.latency = rng.uniform(0.5, 1.5) * latency
            return prompt

        endpoint.reply = reply
        with endpoint:
            yield model

    @property
    def busy(self) -> bool:
        return self.endpoint.in_flight > 0

    def requests(self, tag: str) -> int:
        """How often the rows of a job were asked for."""
        return sum(count for prompt, count in self.asked.items() if prompt.split()[0] == tag)


def echo_job(model: Model, tag: str, rows: int, gpus: int = 0) -> dict[str, Any]:
    """A job that asks a model to repeat `TAG ROW`."""
    api_endpoint = {"url": model.endpoint.url, "model_id": "echo"}
    messages = [{"role": "user", "content": f"{tag} {{{{ item.row }}}}"}]
    check = ["{{ sample.output_text }}", "equals", f"{tag} {{{{ item.row }}}}"]
    return {
        "target": {"type": "model", "model": {"api_endpoint": api_endpoint}},
        "config": {
            "type": "custom",
            "params": {"parallelism": 4, "max_retries": 20, "gpus": gpus},
            "tasks": {
                "echo": {
                    "type": "chat-completion",
                    "dataset": {"files_url": "hf://datasets/robust/rows", "limit": rows},
                    "params": {"template": {"messages": messages}},
                    "metrics": {"same": {"type": "string-check", "params": {"check": check}}},
                }
            },
        },
    }


def fault_job(do: str, *, gpus: int = 0, max_runtime: int = 3600, **extra: Any) -> dict[str, Any]:
    """A job of faults/evald_fault_flows.py."""
    return {
        "target": {"type": "rows", "rows": [{"row": 0}]},
        "config": {
            "type": "fault",
            "params": {"gpus": gpus, "extra": extra},
            "tasks": {"do": {"type": do}},
        },
        "max_runtime": max_runtime,
    }
