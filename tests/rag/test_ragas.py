"""The same verdicts give the same scores as ragas gives: what benchmarks/ragas_scores.py wrote."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evald.agents.tool_call_accuracy import ToolCallAccuracy
from evald.agents.topic_adherence import TopicAdherence
from evald.flows.agentic import METRICS as AGENT_METRICS
from evald.judging.metric import JudgedMetric
from evald.rag.catalog import METRICS
from evald.rag.metric import Models
from evald.templates import context_of

RECORDED = json.loads(Path(__file__).with_name("ragas_scores.json").read_text())
CASES = RECORDED["cases"]


def make(name: str, params: Mapping[str, Any], judge: Any, embedder: Any) -> JudgedMetric:
    if name in METRICS:
        metric = METRICS[name]
        return metric(Models(judge, embedder), metric.Params.model_validate(params))
    if name == "tool_call_accuracy":
        return ToolCallAccuracy(**params)
    if name == "topic_adherence":
        return TopicAdherence(judge, mode=params["metric_mode"])
    simple: Any = AGENT_METRICS[name]
    return simple(judge)


def test_every_metric_that_ragas_has() -> None:
    assert RECORDED["versions"]["ragas"] == "0.4.3"
    counts = Counter(case["metric"] for case in CASES)
    agents = AGENT_METRICS.keys() - {"trajectory", "trajectory_evaluation"}
    assert counts.keys() == METRICS.keys() | agents
    assert min(counts.values()) >= 8
    for metric in counts:
        assert len({case["score"] for case in CASES if case["metric"] == metric}) > 1, metric


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['metric']}-{i}" for i, case in enumerate(CASES)]
)
def test_scores(case: Mapping[str, Any], judge_of: Any, embedder_of: Any) -> None:
    judge = judge_of(case["judge"])
    metric = make(case["metric"], case["params"], judge, embedder_of(case["embeddings"]))
    scored = asyncio.run(metric.score(context_of(case["row"])))
    assert scored.problem is None
    assert judge.rest == {}
    # ragas adds up to 1e-8 to what it divides by.
    assert scored.values == {metric.type: pytest.approx(case["score"], abs=2e-8)}
