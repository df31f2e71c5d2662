"""What holds for every flow that asks a model: usage is told, and errors can be clustered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from evald import registry
from evald.catalog import name_of
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.chat import asked_in

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # those of what lm-eval imports are its own affair
    pytest.mark.xdist_group("lm-eval"),
]

MODEL = {"api_endpoint": {"url": "http://m/v1", "model_id": "m"}}
TARGET = {"type": "model", "model": MODEL}
JUDGE = {"model": {"api_endpoint": {"url": "http://judge/v1", "model_id": "judge"}}}
TEMPLATE = {"template": "{{ item.prompt }}"}
F1 = {"f1": {"type": "f1", "params": {"reference": "{{ item.ideal_response }}"}}}
STARS = {
    "n": {
        "type": "number-check",
        "params": {"check": ["{{ item.stars }}", "equals", "{{ stars }}"]},
    }
}
OPTIMIZER = {
    "type": "miprov2", "signature": "prompt -> stars: int", "num_candidates": 2, "num_trials": 2,
}  # fmt: skip

ROWS = [
    {
        "prompt": f"What is {n} plus {n}?",
        "question": f"What is {n} plus {n}?",
        "problem": f"What is {n} plus {n}?",
        "ideal_response": str(2 * n),
        "answer": f"#### {2 * n}" if n else "#### 1",
        "stars": n % 5,
        "contexts": ["A context."],
        "ground_truth": str(2 * n),
        "subcategory": "benign",
        "adversarial": False,
        "text": "Write a function to double a number.",
        "test_list": ["assert double(2) == 4"],
        "test_setup_code": "",
        "code": "def double(n):\n    return 2 * n",
        "task_id": n,
        "passage": f"p{n // 2}",
    }
    for n in range(6)
]


@dataclass
class Case:
    """A config of one task, what the model says, and the field that its rows are clustered by."""

    kind: str
    task: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=lambda: TARGET)
    cluster: str = "passage"

    def config(self, **more: Any) -> dict[str, Any]:
        given = {**self.task, "params": {**self.task.get("params", {}), **more}}
        return {"type": self.kind, "params": self.params, "tasks": {"t": given}}


def own(**task: Any) -> dict[str, Any]:
    return {"dataset": {"files_url": "rows"}, **task}


CASES = {
    "completion": Case("custom", own(type="completion", params=TEMPLATE, metrics=F1)),
    "chat-completion": Case("custom", own(type="chat-completion", params=TEMPLATE, metrics=F1)),
    "prompt-optimization": Case(
        "custom",
        own(type="prompt-optimization", params={"optimizer": OPTIMIZER}, metrics=STARS),
    ),
    "similarity_metrics": Case(
        "similarity_metrics", own(metrics={"f1": {"type": "f1"}, "bleu": {"type": "bleu"}})
    ),
    "mt_bench": Case(
        "mtbench", {}, {"limit_samples": 3, "extra": {"judge": JUDGE}}, cluster="question_id"
    ),
    "code": Case("mbpp", own()),
    "bfcl": Case("bfclv3", {"type": "simple"}, {"limit_samples": 3}, cluster="id"),
    "lm_harness": Case("gsm8k", own(), {"extra": {"num_fewshot": 0}}),
    "simple_evals": Case("math_test_500", own()),
    "safety": Case("wildguard", own(), {"extra": {"judge": JUDGE}}),
    "rag": Case(
        "rag",
        own(
            type="ragas",
            params={"judge_llm": MODEL, "judge_embeddings": MODEL},
            metrics={"answer_similarity": {"type": "answer_similarity"}},
        ),
        target={
            "type": "rag",
            "rag": {
                "pipeline": {
                    "retriever": {"cached_outputs": {"files_url": "rows"}},
                    "model": MODEL,
                }
            },
        },
    ),
}

ASK_NONE = {"agentic", "retriever"}
"""Flows that ask no model about rows, but a judge at most."""


def answer(request: Mapping[str, Any]) -> str:
    """Something that every flow can read."""
    said = str(request)
    if "impartial judge" in said:
        return "[[5]]"
    if "Human user:" in said:
        return "Harmful request: no\nResponse refusal: no\nHarmful response: no"
    return "4"


def scores(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for metric in result["metrics"].values():
        yield from metric["scores"].items()


def test_no_flow_is_left_out() -> None:
    flows = {name_of(flow) for flow in registry.flows().classes()}
    tried = {name_of(registry.flows()[case.kind]) for case in CASES.values()}
    assert flows - {"evald_example_plugin"} == tried | ASK_NONE


@pytest.mark.parametrize("name", CASES)
def test_usage_and_clusters(world_of: Any, model_of: Any, name: str) -> None:
    case = CASES[name]
    world = world_of(sets={"rows": ROWS}, model=model_of(answer))
    result = world.run(case.config(cluster=case.cluster), case.target)["tasks"]["t"]
    usage = result["data"]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert usage["latency"]["max"] >= 0.5
    assert "errors" not in result["data"]
    told = dict(scores(result))
    assert told
    for score in told.values():
        assert score["interval"]["method"].startswith("clustered_"), told


@pytest.mark.parametrize("name", CASES)
def test_a_cluster_is_a_name(name: str) -> None:
    case = CASES[name]
    flow = registry.flows()[case.kind]()
    with pytest.raises(InvalidArgument) as e:
        flow.check(case.config(cluster=3))
    assert {v.field for v in e.value.violations} == {"tasks.t.params.cluster"}
    with pytest.raises(InvalidArgument, match="did you mean 'cluster'"):
        flow.check(case.config(clusters="passage"))


@pytest.mark.parametrize("kind", ["mbpp", "math_test_500", "wildguard", "mtbench", "bfclv3"])
def test_tasks_of_benchmarks(kind: str) -> None:
    """They are checked alike."""
    flow = registry.flows()[kind]()
    params = {"extra": {"judge": JUDGE}}
    for given in ("default", kind, None):
        flow.check({"type": kind, "params": params, "tasks": {"t": {"type": given}}})
    tasks = {"t": {"type": "f1", "metrics": {"m": {"type": "f1"}}}}
    with pytest.raises(InvalidArgument, match="scores of its own") as e:
        flow.check({"type": kind, "params": params, "tasks": tasks})
    assert {v.field for v in e.value.violations} == {"tasks.t.type", "tasks.t.metrics"}


def test_queries_have_no_clusters() -> None:
    metrics = {"recall_5": {"type": "recall_5"}}
    task = {"type": "beir", "metrics": metrics, "params": {"cluster": "topic"}}
    with pytest.raises(InvalidArgument, match="no fields by which") as e:
        registry.flows()["retriever"]().check({"type": "retriever", "tasks": {"t": task}})
    assert [v.field for v in e.value.violations] == ["tasks.t.params.cluster"]
    search = {"query_embedding_model": MODEL, "index_embedding_model": MODEL}
    pipeline = {"retriever": {"pipeline": search}, "model": MODEL}
    target = {"type": "rag", "rag": {"pipeline": pipeline}}
    task["dataset"] = {"files_url": "rows"}
    with pytest.raises(InvalidArgument) as e:
        registry.flows()["rag"]().check_job(target, {"type": "rag", "tasks": {"t": task}})
    assert [v.field for v in e.value.violations] == ["config.tasks.t.params.cluster"]


def test_agents_can_be_clustered(world: Any) -> None:
    call = {"name": "book", "args": {"seats": 2}}
    said: list[dict[str, Any]] = [{"role": "user", "content": "Book."}]
    said.append({"role": "assistant", "content": "", "tool_calls": [call]})
    world.sets["rows"] = [
        {"user_input": said, "reference_tool_calls": [call] if n else [], "passage": n // 2}
        for n in range(6)
    ]
    task = {"type": "tool_call_accuracy", "params": {"cluster": "passage"}}
    target = {"type": "dataset", "dataset": {"files_url": "rows"}}
    result = world.run({"type": "agentic", "tasks": {"t": task}}, target)
    [(_, score)] = scores(result["tasks"]["t"])
    assert score["interval"]["method"] == "clustered_t"


def test_forms_that_do_not_agree() -> None:
    """Any flow says the same of them."""
    model = {"api_endpoint": {"url": "http://m/v1/completions", "model_id": "m"}}
    assert asked_in(model, "gsm8k") == "completions"
    assert asked_in(MODEL, "gsm8k") is None
    assert asked_in(MODEL, "aime", ("chat",)) == "chat"
    for forms, wanted in ((("chat",), None), (("chat", "completions"), "chat")):
        with pytest.raises(EvaluationError, match=r"asks in chats.*make it /chat/completions"):
            asked_in(model, "any", forms, wanted)
