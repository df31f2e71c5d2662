"""Metrics made from configs, as flows make them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.templates import Templates, context_of, with_answer

Scores = dict[str, Any]


@pytest.fixture
def score() -> Callable[..., Scores]:
    """Scores rows by one metric and gives the scores of the task. A row's `answer` is the
    model's."""

    def scored(kind: str, params: dict[str, Any], *rows: dict[str, Any]) -> Scores:
        metrics = make_metrics({"m": {"type": kind, "params": params}}, Templates(), "metrics")
        board = Scoreboard(metrics)
        for row in rows:
            context = context_of(row)
            if "answer" in row:
                sample = {"output_text": row["answer"], "response": row.get("response")}
                context = with_answer(context, sample)
            found = asyncio.run(board.score(context))
            board.add(found.scores, found.parts, found.error)
        scores: Scores = board.result("t")["metrics"]["m"]["scores"]
        return scores

    return scored
