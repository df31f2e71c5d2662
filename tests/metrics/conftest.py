"""Metrics made from configs, as flows make them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.templates import Templates, context_of, with_answer

Scores = dict[str, Any]


@dataclass
class Said:
    """What a judge answered."""

    text: str
    response: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.5
    retries: int = 0


@dataclass
class Judge:
    """A model that gives its replies one after the other, and keeps what it was asked. A reply may
    be an exception."""

    replies: Sequence[Any] = ()
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    opened: list[tuple[Any, Mapping[str, Any]]] = field(default_factory=list)
    parallelism: int = 1

    def open(self, model: Any, params: Mapping[str, Any]) -> Judge:
        self.opened.append((model, params))
        return self

    async def ask(self, request: Mapping[str, Any]) -> Said:
        self.requests.append(request)
        reply = self.replies[len(self.requests) - 1]
        if isinstance(reply, Exception):
            raise reply
        return Said(reply)

    async def close(self) -> None: ...


@pytest.fixture
def judge() -> Judge:
    """What metrics ask. Tests give it replies."""
    return Judge()


@pytest.fixture
def board(judge: Judge) -> Callable[..., Scoreboard]:
    """Scores rows by one metric and gives the scoreboard of the task. A row's `answer` is the
    model's."""

    def scored(kind: str, params: dict[str, Any], *rows: dict[str, Any]) -> Scoreboard:
        return asyncio.run(score_all(kind, params, rows))

    async def score_all(kind: str, params: dict[str, Any], rows: Sequence[Any]) -> Scoreboard:
        metrics = make_metrics({"m": {"type": kind, "params": params}}, Templates(), "metrics")
        board = Scoreboard(metrics)
        async with AsyncExitStack() as opened:
            for metric in metrics.values():
                metric.open(judge, {"parallelism": 4}, opened)
            for row in rows:
                context = context_of(row)
                if "answer" in row:
                    sample = {"output_text": row["answer"], "response": row.get("response")}
                    context = with_answer(context, sample)
                found = await board.score(context)
                board.add(found.scores, found.parts, found.error)
        return board

    return scored


@pytest.fixture
def score(board: Callable[..., Scoreboard]) -> Callable[..., Scores]:
    """Scores rows by one metric and gives the scores of the task."""

    def scored(kind: str, params: dict[str, Any], *rows: dict[str, Any]) -> Scores:
        scores: Scores = board(kind, params, *rows).result("t")["metrics"]["m"]["scores"]
        return scores

    return scored
