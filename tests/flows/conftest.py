"""A world for flows: data sets in memory, a model that answers by a function, and what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest

from evald import registry
from evald.errors import EvaluationError
from evald.flows.flow import Document, FlowContext, Kept, SampleRecord
from evald.model import TextKind
from tests.endpoint import bags_of_words
from tests.exact import ExactIndexes


@dataclass
class Said:
    """What a model answered."""

    text: str
    response: Mapping[str, Any]
    seconds: float = 0.5
    retries: int = 0


class Emit:
    """Keeps what an attempt says."""

    def __init__(self) -> None:
        self.samples: list[SampleRecord] = []
        self.steps: list[tuple[int, int | None]] = []
        self.tasks: list[tuple[str, str]] = []
        self.logs: list[tuple[str, str]] = []

    def sample(self, record: SampleRecord) -> None:
        self.samples.append(record)

    def progress(self, processed: int, total: int | None, others: int = 0) -> None:
        self.steps.append((processed + others, total))

    def task(self, name: str, status: str) -> None:
        self.tasks.append((name, status))

    def log(self, level: str, message: str) -> None:
        self.logs.append((level, message))


class Datasets:
    """Data sets by URL: rows, or what makes them anew."""

    def __init__(self, sets: dict[str, Any]) -> None:
        self._sets = sets

    def rows(self, dataset: Document) -> Iterator[dict[str, Any]]:
        given = self._sets[dataset["files_url"]]
        rows: Iterable[dict[str, Any]] = given() if callable(given) else given
        return islice(iter(rows), dataset.get("limit"))

    def files(self, dataset: Document) -> list[str]:
        url = dataset["files_url"]
        return [one.removeprefix(f"{url}/") for one in self._sets if one.startswith(f"{url}/")]

    def splits(self, dataset: Document) -> set[str]:
        return set()

    def count(self, dataset: Document) -> int:
        return sum(1 for _ in self.rows(dataset))

    def place(self, dataset: Document, index: int) -> str:
        return f"{dataset['files_url']}, line {index + 1}"

    def allow(self, url: str) -> None:
        if self._sets.get(url) == "closed":
            raise EvaluationError("request", f"{url} is closed")


class Model:
    """A model, its clients and what they were asked. `answer` takes a request and gives a text, or
    a message, or raises."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], Any], wait: float = 0) -> None:
        self._answer = answer
        self._wait = wait
        self.requests: list[Mapping[str, Any]] = []
        self.opened: list[tuple[Any, Document]] = []
        self.closed = 0
        self.in_flight = self.most_in_flight = 0

    def open(self, model: Document, params: Document) -> Model:
        self.opened.append((model, params))
        return self

    @property
    def parallelism(self) -> int:
        return int(self.opened[-1][1]["parallelism"])

    async def ask(self, request: Mapping[str, Any]) -> Said:
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._wait:
                await asyncio.sleep(self._wait)
            text = self._answer(request)
        finally:
            self.in_flight -= 1
        message = {"content": text} if isinstance(text, str) else text
        choice = {"index": 0, "message": {"role": "assistant", **message}}
        usage = {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
        return Said(message.get("content") or "", {"choices": [choice], "usage": usage})

    def embedder(self, model: Document, params: Document) -> Model:
        return self.open(model, params)

    async def embed(
        self, texts: Sequence[str], kind: TextKind | None = None
    ) -> list[Sequence[float]]:
        data = bags_of_words({"input": texts})["data"]
        return [one["embedding"] for one in data]

    async def close(self) -> None:
        self.closed += 1


def thinker(**inference: Any) -> Document:
    """The target of a model that says how it is asked, and whose thoughts end in `</t>`."""
    prompt = {
        "system_prompt": "You are X.",
        "inference_params": inference,
        "reasoning_params": {"end_token": "</t>"},
    }
    endpoint = {"url": "http://model/v1", "model_id": "m"}
    return {"type": "model", "model": {"api_endpoint": endpoint, "prompt": prompt}}


def last_message(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


@dataclass
class World:
    """All that a flow sees, and what it did there."""

    sets: dict[str, Any] = field(default_factory=dict)
    model: Model = field(default_factory=lambda: Model(last_message))
    emit: Any = field(default_factory=Emit)
    kept: list[Kept] = field(default_factory=list)
    indexes: Any = field(default_factory=ExactIndexes)

    def run(self, config: Document, target: Document) -> dict[str, Any]:
        """Checks a config and runs its flow."""
        flow = registry.flows()[config["type"]]()
        flow.check(config)
        context = FlowContext(
            config=config,
            target=target,
            datasets=Datasets(self.sets),
            models=self.model,
            indexes=self.indexes,
            emit=self.emit,
            kept=lambda task: iter(self.kept),
        )
        return asyncio.run(flow.run(context))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def model_of() -> type[Model]:
    return Model


@pytest.fixture(scope="session")
def world_of() -> type[World]:
    return World
