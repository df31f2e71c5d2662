"""A judge that says what a test tells it to say."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from evald.model import Asker
from evald.templates import Template


@dataclass
class Said:
    text: str
    response: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.1
    retries: int = 0


class Judge:
    """Answers questions by their names, each with what stands next in its list."""

    parallelism = 1

    def __init__(self, answers: Mapping[str, Sequence[Any]]) -> None:
        self.answers = {name: deque(given) for name, given in answers.items()}
        self.requests: list[Mapping[str, Any]] = []

    async def ask(self, request: Mapping[str, Any]) -> Said:
        self.requests.append(request)
        name = request["response_format"]["json_schema"]["name"]
        given = self.answers[name].popleft()
        return Said(given if isinstance(given, str) else json.dumps(given))

    async def close(self) -> None: ...

    def asker(self, template: Template) -> Asker:
        return Asker(self, template, {}, params={}, plain_text="messages")

    @property
    def told(self) -> list[str]:
        """What it was asked."""
        return [request["messages"][0]["content"] for request in self.requests]

    @property
    def rest(self) -> dict[str, Any]:
        """Answers that nobody asked for."""
        return {name: list(given) for name, given in self.answers.items() if given}


class Embedder:
    """Gives each text its vector."""

    def __init__(self, vectors: Mapping[str, Sequence[float]]) -> None:
        self.vectors = vectors

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        return [self.vectors[text] for text in texts]


@pytest.fixture(scope="session")
def judge_of() -> type[Judge]:
    return Judge


@pytest.fixture(scope="session")
def embedder_of() -> type[Embedder]:
    return Embedder
