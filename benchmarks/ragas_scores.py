"""Writes what ragas makes of a judge's verdicts, for tests to hold evald's metrics against.

    python ragas_scores.py > tests/rag/ragas_scores.json

It runs in an environment of its own, so it imports nothing of evald's: `pip install ragas==0.4.3
'langchain-community<0.4'` takes 600 MiB, and its import ten seconds. Verdicts are drawn at random;
ragas' judge is told them in ragas' form, and the file has them in evald's, by the names of its
questions in the order in which these are asked.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from langchain_core.outputs import Generation, LLMResult
from ragas.dataset_schema import MultiTurnSample, SingleTurnSample
from ragas.embeddings.base import BaseRagasEmbeddings
from ragas.llms.base import BaseRagasLLM
from ragas.messages import AIMessage, HumanMessage, ToolCall
from ragas.metrics import _nv_metrics as nv
from ragas.metrics._answer_correctness import AnswerCorrectness
from ragas.metrics._answer_relevance import AnswerRelevancy
from ragas.metrics._answer_similarity import AnswerSimilarity
from ragas.metrics._context_entities_recall import ContextEntityRecall
from ragas.metrics._context_precision import LLMContextPrecisionWithReference
from ragas.metrics._context_recall import LLMContextRecall
from ragas.metrics._faithfulness import Faithfulness
from ragas.metrics._goal_accuracy import (
    AgentGoalAccuracyWithoutReference,
    AgentGoalAccuracyWithReference,
)
from ragas.metrics._noise_sensitivity import NoiseSensitivity
from ragas.metrics._tool_call_accuracy import ToolCallAccuracy
from ragas.metrics._topic_adherence import TopicAdherenceScore
from ragas.run_config import RunConfig

SEED = 20261123
CASES = 8
"""Of each metric."""


@dataclass
class Case:
    """`judge` are evald's answers by question, `replies` those that ragas gets."""

    metric: str
    row: dict[str, Any]
    ragas: Any
    replies: list[Any] = field(default_factory=list)
    judge: dict[str, list[Any]] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    embeddings: dict[str, list[float]] = field(default_factory=dict)


class Judge(BaseRagasLLM):  # type: ignore[misc]
    """Says what it was told to say, one after the other."""

    def __init__(self, replies: Sequence[Any]) -> None:
        super().__init__()
        self.replies = deque(r if isinstance(r, str) else json.dumps(r) for r in replies)

    def generate_text(self, prompt: Any, n: int = 1, **_: Any) -> LLMResult:
        said = [Generation(text=self.replies.popleft()) for _ in range(n)]
        return LLMResult(generations=[said])

    async def agenerate_text(self, prompt: Any, n: int = 1, **_: Any) -> LLMResult:
        return self.generate_text(prompt, n)

    def is_finished(self, response: LLMResult) -> bool:
        return True


class Embeddings(BaseRagasEmbeddings):  # type: ignore[misc]
    def __init__(self, vectors: dict[str, list[float]]) -> None:
        super().__init__()
        self.set_run_config(RunConfig())
        self.vectors = vectors

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    async def aembed_query(self, text: str) -> list[float]:
        return self.vectors[text]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)


def flags(draw: random.Random, count: int, share: float = 0.6) -> list[bool]:
    return [draw.random() < share for _ in range(count)]


def statements(what: str, count: int) -> list[str]:
    return [f"{what} {i}" for i in range(count)]


def vectors(draw: random.Random, texts: Sequence[str]) -> dict[str, list[float]]:
    return {text: [round(draw.uniform(-1, 1), 3) for _ in range(4)] for text in texts}


def checked(stated: Sequence[str], found: Sequence[bool]) -> dict[str, Any]:
    """Verdicts on statements, as ragas has them."""
    return {
        "statements": [
            {"statement": s, "reason": "r", "verdict": int(v)}
            for s, v in zip(stated, found, strict=True)
        ]
    }


def verdicts(found: Sequence[bool]) -> dict[str, Any]:
    """The same, as evald has them."""
    return {"verdicts": [{"reason": "r", "follows": v} for v in found]}


ROW = {"user_input": "Q?", "response": "An answer.", "reference": "A reference."}
CONTEXTS = ["one context", "another context", "a third one"]


def faithfulness(draw: random.Random) -> Case:
    found = flags(draw, draw.randint(1, 6))
    stated = statements("s", len(found))
    return Case(
        "faithfulness", {**ROW, "retrieved_contexts": CONTEXTS}, Faithfulness(),
        [{"statements": stated}, checked(stated, found)],
        {"statements": [{"statements": stated}], "supported": [verdicts(found)]},
    )  # fmt: skip


def context_recall(draw: random.Random) -> Case:
    found = flags(draw, draw.randint(1, 6))
    stated = statements("s", len(found))
    told = [
        {"statement": s, "reason": "r", "attributed": int(v)}
        for s, v in zip(stated, found, strict=True)
    ]
    return Case(
        "context_recall", {**ROW, "retrieved_contexts": CONTEXTS}, LLMContextRecall(),
        [{"classifications": told}],
        {"statements": [{"statements": stated}], "supported": [verdicts(found)]},
    )  # fmt: skip


def context_precision(draw: random.Random) -> Case:
    found = flags(draw, draw.randint(1, 6))
    contexts = statements("context", len(found))
    return Case(
        "context_precision", {**ROW, "retrieved_contexts": contexts},
        LLMContextPrecisionWithReference(),
        [{"reason": "r", "verdict": int(v)} for v in found],
        {"useful": [{"reason": "r", "useful": v} for v in found]},
    )  # fmt: skip


def context_entity_recall(draw: random.Random) -> Case:
    names = ["Paris", "1889", "Gustave Eiffel", "iron", "France"]
    expected = draw.sample(names, draw.randint(1, 5))
    found = draw.sample(names, draw.randint(0, 5))
    return Case(
        "context_entity_recall", {**ROW, "retrieved_contexts": CONTEXTS}, ContextEntityRecall(),
        [{"entities": expected}, {"entities": found}],
        {"entities": [{"entities": expected}, {"entities": found}]},
    )  # fmt: skip


def noise_sensitivity(draw: random.Random) -> Case:
    mode = draw.choice(["relevant", "irrelevant"])
    expected = statements("e", draw.randint(1, 4))
    stated = statements("s", draw.randint(2, 5))
    right = flags(draw, len(stated), 0.3)
    expected_found = [flags(draw, len(expected)) for _ in CONTEXTS]
    stated_found = [flags(draw, len(stated)) for _ in CONTEXTS]
    if draw.random() < 0.7:
        expected_found[draw.randrange(len(CONTEXTS))] = [False] * len(expected)
    told: list[Any] = [{"statements": expected}, {"statements": stated}]
    for one, other in zip(expected_found, stated_found, strict=True):
        told += [checked(expected, one), checked(stated, other)]
    told.append(checked(stated, right))
    return Case(
        "noise_sensitivity", {**ROW, "retrieved_contexts": CONTEXTS}, NoiseSensitivity(mode=mode),
        told,
        {
            "statements": [{"statements": expected}, {"statements": stated}],
            "supported": [verdicts(v) for v in [right, *expected_found, *stated_found]],
        },
        {"mode": mode},
    )  # fmt: skip


def answer_similarity(draw: random.Random) -> Case:
    threshold = draw.choice([None, 0.1])
    return Case(
        "answer_similarity", ROW, AnswerSimilarity(threshold=threshold),
        params={"threshold": threshold},
        embeddings=vectors(draw, [ROW["response"], ROW["reference"]]),
    )  # fmt: skip


def answer_correctness(draw: random.Random) -> Case:
    right, found = flags(draw, draw.randint(0, 4)), flags(draw, draw.randint(1, 4))
    stated, expected = statements("s", len(right)), statements("e", len(found))
    explained = [{"statement": s, "reason": "r"} for s in stated]
    told = {
        "TP": [s for s, v in zip(explained, right, strict=True) if v],
        "FP": [s for s, v in zip(explained, right, strict=True) if not v],
        "FN": [
            {"statement": s, "reason": "r"} for s, v in zip(expected, found, strict=True) if not v
        ],
    }
    weights, beta = draw.choice([[0.75, 0.25], [1.0, 0.0], [0.4, 0.6]]), draw.choice([1.0, 2.0])
    supported = ([verdicts(right)] if right else []) + [verdicts(found)]
    return Case(
        "answer_correctness", ROW, AnswerCorrectness(weights=weights, beta=beta),
        [{"statements": stated}, {"statements": expected}, told],
        {
            "statements": [{"statements": stated}, {"statements": expected}],
            "supported": supported,
        },
        {"weights": weights, "beta": beta},
        vectors(draw, [ROW["response"], ROW["reference"]]),
    )  # fmt: skip


def answer_relevancy(draw: random.Random) -> Case:
    questions = statements("question", 3)
    vague = draw.random() < 0.2
    return Case(
        "answer_relevancy", ROW, AnswerRelevancy(),
        [{"question": q, "noncommittal": int(vague)} for q in questions],
        {"questions": [{"questions": questions, "noncommittal": vague}]},
        embeddings=vectors(draw, [ROW["user_input"], *questions]),
    )  # fmt: skip


def rated(name: str, made: Callable[[], Any], scale: Sequence[int], names: Sequence[str]) -> Any:
    def case(draw: random.Random) -> Case:
        ratings = [draw.choice(scale) for _ in names]
        judge = {name: [{"rating": r}] for name, r in zip(names, ratings, strict=True)}
        row = {**ROW, "retrieved_contexts": CONTEXTS}
        return Case(name, row, made(), [str(r) for r in ratings], judge)

    return case


def topic_adherence(draw: random.Random) -> Case:
    mode = draw.choice(["precision", "recall", "f1"])
    topics = statements("topic", draw.randint(1, 6))
    answered, allowed = flags(draw, len(topics)), flags(draw, len(topics))
    return Case(
        "topic_adherence", {**conversation([]), "reference_topics": ["a subject"]},
        TopicAdherenceScore(mode=mode),
        [
            {"topics": topics},
            *({"refused_to_answer": not v} for v in answered),
            {"classifications": allowed},
        ],
        {
            "topics": [{"topics": topics}],
            "topics_answered": [{"answered": answered}],
            "topics_allowed": [{"allowed": allowed}],
        },
        {"metric_mode": mode},
    )  # fmt: skip


def goal(name: str, made: Callable[[], Any]) -> Any:
    def case(draw: random.Random) -> Case:
        reached = draw.random() < 0.5
        outcome = {"user_goal": "a goal", "end_state": "a state"}
        return Case(
            name, {**conversation([]), "reference": "a goal"}, made(),
            [outcome, {"reason": "r", "verdict": str(int(reached))}],
            {"outcome": [outcome], "goal_reached": [{"reason": "r", "reached": reached}]},
        )  # fmt: skip

    return case


def tool_call_accuracy(draw: random.Random) -> Case:
    def calls() -> list[dict[str, Any]]:
        values = [1, 2, "x", True, [1, 2], None]
        return [
            {
                "name": draw.choice("ab"),
                "args": {
                    key: draw.choice(values) for key in draw.sample("xyz", draw.randint(0, 3))
                },
            }
            for _ in range(draw.randint(0, 3))
        ]

    expected = calls()
    called = draw.choice([expected, list(reversed(expected)), calls()])
    if called and draw.random() < 0.6:
        called = [{**c, "args": {**c["args"], draw.choice("xyz"): 7}} for c in called]
    strict = draw.random() < 0.5
    return Case(
        "tool_call_accuracy", {**conversation(called), "reference_tool_calls": expected},
        ToolCallAccuracy(strict_order=strict), params={"strict_order": strict},
    )  # fmt: skip


def conversation(calls: Sequence[Any]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"type": "human", "content": "Do it."},
        {"type": "ai", "content": "Done.", "tool_calls": list(calls)},
    ]
    return {"user_input": messages}


MAKERS = [
    faithfulness, context_recall, context_precision, context_entity_recall, noise_sensitivity,
    answer_similarity, answer_correctness, answer_relevancy,
    rated("answer_accuracy", nv.AnswerAccuracy, [0, 2, 4],
          ["answer_accuracy", "answer_accuracy_reversed"]),
    rated("context_relevance", nv.ContextRelevance, [0, 1, 2],
          ["context_relevance", "context_relevance_again"]),
    rated("response_groundedness", nv.ResponseGroundedness, [0, 1, 2],
          ["response_groundedness", "response_groundedness_again"]),
    topic_adherence, tool_call_accuracy,
    goal("agent_goal_accuracy_with_reference", AgentGoalAccuracyWithReference),
    goal("agent_goal_accuracy_without_reference", AgentGoalAccuracyWithoutReference),
]  # fmt: skip


async def score(case: Case) -> float | None:
    """What ragas makes of a case; None for no value."""
    judge = Judge(case.replies)
    metric = case.ragas
    if hasattr(metric, "llm"):
        metric.llm = judge
    if hasattr(metric, "embeddings"):
        metric.embeddings = Embeddings(case.embeddings)
        if isinstance(metric, AnswerCorrectness) and metric.weights[1]:
            metric.answer_similarity = AnswerSimilarity(embeddings=metric.embeddings)
    if isinstance(case.row["user_input"], str):
        found = await metric.single_turn_ascore(SingleTurnSample(**case.row))
    else:
        found = await metric.multi_turn_ascore(multi_turn(case.row))
    assert not judge.replies, f"{case.metric}: ragas did not ask for {judge.replies}"
    return None if math.isnan(found) else float(found)


def multi_turn(row: dict[str, Any]) -> Any:
    human, ai = row["user_input"]
    calls = [ToolCall(**call) for call in ai["tool_calls"]]
    messages = [HumanMessage(content=human["content"])]
    messages.append(AIMessage(content=ai["content"], tool_calls=calls))
    given = {key: value for key, value in row.items() if key != "user_input"}
    if "reference_tool_calls" in given:
        given["reference_tool_calls"] = [ToolCall(**c) for c in given["reference_tool_calls"]]
    return MultiTurnSample(user_input=messages, **given)


def cases() -> Iterator[dict[str, Any]]:
    for maker in MAKERS:
        draw = random.Random(SEED)
        for _ in range(CASES):
            case = maker(draw)
            given = {k: v for k, v in case.__dict__.items() if k not in ("ragas", "replies")}
            yield {**given, "score": asyncio.run(score(case))}


def main() -> None:
    """Prints versions and cases as JSON."""
    warnings.simplefilter("ignore")
    versions = {name: version(name) for name in ("ragas", "langchain-community")}
    lines = ",\n".join(map(json.dumps, cases()))
    print(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
