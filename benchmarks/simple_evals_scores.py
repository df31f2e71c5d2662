"""Writes what simple-evals ask, and make of replies, for tests to hold evald's flow against.

    python simple_evals_scores.py > tests/simple_evals/scores.json

It runs in an environment of its own, so it imports nothing of evald's: `pip install
nvidia-simple-evals==26.3`. Its evaluations run as they are; their rows, the model's replies and the
judge's come from here in place of the network.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any
from unittest import mock

import pandas
from simple_evals import common
from simple_evals.evals import (
    gpqa_eval,
    math_eval,
    mgsm_eval,
    mmlu_eval,
    mmlu_pro_eval,
    simpleqa_eval,
)

LETTERS = (
    "Answer: {x}", "answer: {x}", "**Answer:** {x}", "Answer : {x})", "The answer is {x}.",
    "Let me think.\n\nAnswer: $\\boxed{{{x}}}$", "Answer: \\text{{{x}}}", "{x}", "",
    "ANSWER: {x} or B", "Antwort: {x}", "Antwort: **{x}**", "Réponse : {x}", "답: {x}",
    "正确答案\uff1a{x}", "答え: {x}", "__Answer__: {x}", "*Answer*:\n{x}", "Answer: Apple",
    "Jibu:{x}",
    "\\boxed{{{x}}}", "\\boxed{{A}} or \\boxed{{{x}}}", "الجواب: {x}", "Odpowiedź: {x}",
)  # fmt: skip
OWN_LETTERS = ("الإجابة: {x}", "উত্তর: {x}", "答案: {x}")
ALPHABETS = ("أبجد", "অবডঢ", "ＡＢＣＤ")  # noqa: RUF001

NUMBERS = (
    ("en", "18", "Answer: 18"), ("en", "18", "So\nAnswer: $18.00"), ("en", "1200", "Answer: 1,200"),
    ("en", "18", "It is 18."), ("en", "18", "Answer: 17 or 18"), ("en", "18", "Answer: 18 or 17"),
    ("en", "18", "Answer: 18."), ("en", "18", "Answer: eighteen"),
    ("en", "18", "Answer: 5\nAnswer: 18"),
    ("en", "-3", "Answer: -3"), ("de", "70", "Antwort: 70 Euro"), ("de", "70", "Answer: 70"),
    ("fr", "5", "Réponse: 5"), ("es", "2.5", "Respuesta: 2.50"), ("ja", "20", "答え: 20"),
    ("zh", "20", "答案\uff1a 20"), ("bn", "20", "উত্তর: 20"), ("th", "20", "คำตอบ: 20"),
    ("te", "20", "సమాధానం: 20"), ("ru", "20", "Ответ: 21"), ("sw", "20", "Jibu: 20"),
)  # fmt: skip

FORMULAS = (
    ("2", "Answer: 2"), ("2", "I say\nAnswer:  2 \nDone"), ("2", "2"), ("2", "Answer: 3"),
    ("2", "\\boxed{2}"), ("2", "\\boxed{1}, no, \\boxed{2}"), ("2", "\\boxed{3}"),
    ("\\frac{1}{2}", "\\boxed{\\frac{1}{2}}"), ("\\frac{1}{2}", "\\boxed{0.5}"),
    ("\\frac{1}{2}", "\\boxed{\\dfrac12}"), ("\\frac{1}{2}", "\\boxed{1/2}"),
    ("2\\sqrt{3}", "\\boxed{\\sqrt{12}}"), ("2\\sqrt{3}", "\\boxed{2\\sqrt3}"),
    ("(3, \\frac{\\pi}{2})", "\\boxed{\\left(3,\\frac{\\pi}{2}\\right)}"),
    ("(3, 4)", "\\boxed{(4, 3)}"), ("x^2+2x+1", "\\boxed{(x+1)^2}"), ("p - q", "\\boxed{q - p}"),
    ("\\text{Evelyn}", "\\boxed{Evelyn}"), ("\\text{Evelyn}", "\\boxed{\\text{Angela}}"),
    ("1,000", "\\boxed{1000}"), ("90^\\circ", "\\boxed{90}"), ("\\$18.90", "\\boxed{18.90}"),
    ("10\\%", "\\boxed{10}"), ("[1,2)", "\\boxed{[1,2)}"), ("[1,2)", "\\boxed{[1,2]}"),
    ("204", "\\boxed{204}"), ("025", "\\boxed{25}"), ("25", "\\boxed{025}"), ("25", "\\boxed{}"),
    ("3x+2", "\\boxed{2+3x}"), ("\\frac{3}{4}", "\\boxed{0.75}"),
    ("-\\frac{1}{3}", "\\boxed{\\frac{-1}{3}}"),
    ("5", "\\fbox{5}"), ("5", "\\boxed{5"), ("6 - 5i", "\\boxed{6-5i}"),
)  # fmt: skip

GRADES = ("A", "B", "C", "A", " B\n", "C", "A: correct", "B", "A")


def asked(prompt: str, rows: Sequence[dict[str, Any]], replies: Sequence[str]) -> str:
    """The reply to the row whose number the question begins with."""
    return next(r for row, r in zip(rows, replies, strict=True) if f"#{row['#']} " in prompt)


class Frame:
    """Rows as `datasets` gives them, whichever split is taken."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def __getitem__(self, split: str) -> Frame:
        return self

    def to_pandas(self) -> pandas.DataFrame:
        return pandas.DataFrame([{k: v for k, v in row.items() if k != "#"} for row in self._rows])


class Sampler:
    """A model that answers by a function of the prompt."""

    def __init__(self, reply: Callable[[str], str]) -> None:
        self._reply = reply

    def _pack_message(self, role: str, content: str) -> dict[str, str]:
        return {"role": role, "content": content}

    async def __call__(self, messages: list[dict[str, str]], seed: int = 0) -> str:
        return self._reply(messages[-1]["content"])


def evaluated(make: Callable[..., Any], reply: Callable[[str], str]) -> tuple[list[Any], Any]:
    """What an evaluation makes of each reply, and its result."""
    kept: list[Any] = []
    whole = common.aggregate_results

    def aggregate(results: list[Any], *args: Any, **kwargs: Any) -> Any:
        kept.extend(results)
        return whole(results, *args, **kwargs)

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(common, "aggregate_results", aggregate),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        result = asyncio.run(make(cache_dir=folder, n_repeats=1)(Sampler(reply)))
    means = {"score": result.score, **result.metrics}
    return kept, {name: round(means[name], 12) for name in sorted(means) if ":" not in name}


def cases(
    kind: str,
    module: Any,
    make: Callable[..., Any],
    rows: Sequence[dict[str, Any]],
    replies: Sequence[str],
) -> dict[str, Any]:
    """Runs an evaluation, and tells of each row its prompt, the reply and the score."""
    with mock.patch.object(module, "load_dataset", return_value=Frame(rows)):
        kept, metrics = evaluated(make, lambda prompt: asked(prompt, rows, replies))
    found = []
    for row, reply in zip(rows, replies, strict=True):
        [one] = [k for k in kept if f"#{row['#']} " in k.convo[0]["content"]]
        given = {k: v for k, v in row.items() if k != "#"}
        found.append(
            {
                "row": given,
                "prompt": one.convo[0]["content"],
                "reply": reply,
                "score": float(one.score),
            }
        )
    return {"type": kind, "cases": found, "metrics": metrics}


def choice_rows(count: int) -> list[dict[str, Any]]:
    subjects = itertools.cycle(["astronomy", "virology", "sociology", "philosophy"])
    options = {f"option_{x}": f"choice {x}" for x in "abcd"}
    return [
        {"#": n, "question": f"#{n} Which?", **options, "answer": "ABCD"[n % 4], "subject": subject}
        for n, subject in zip(range(count), subjects, strict=False)
    ]


def lettered(rows: Sequence[dict[str, Any]], forms: Sequence[str]) -> list[str]:
    """Replies with the right letter, and every fifth with the next one."""
    found = []
    for n, form in enumerate(forms):
        right = "ABCDEFGHIJ".index(rows[n]["answer"])
        found.append(form.format(x="ABCDEFGHIJ"[(right + (n % 5 == 4)) % 4]))
    return found


def mmlu() -> dict[str, Any]:
    rows = choice_rows(len(LETTERS) + 12)
    replies = lettered(rows, LETTERS)
    for (form, alphabet), n in itertools.product(
        zip(OWN_LETTERS, ALPHABETS, strict=True), range(4)
    ):
        row = rows[len(replies)]
        replies.append(form.format(x=alphabet["ABCD".index(row["answer"])] if n else "?"))
    make = lambda **kw: mmlu_eval.MMLUEval(language="de", **kw)  # noqa: E731
    return cases("mmlu_de", mmlu_eval, make, rows, replies)


def mmlu_pro() -> dict[str, Any]:
    rows = [
        {"#": n, "question": f"#{n} Which?", "options": [f"{n}{x}" for x in "ABCDEFGHIJ"],
         "answer": "ABCD"[n % 4]}
        for n in range(len(LETTERS))
    ]  # fmt: skip
    return cases(
        "simple_evals.mmlu_pro", mmlu_pro_eval, mmlu_pro_eval.MMLUProEval, rows,
        lettered(rows, LETTERS),
    )  # fmt: skip


def gpqa(kind: str, *, nemo: bool) -> dict[str, Any]:
    """Rows are told in the order that simple-evals drew."""
    wrong = {f"Incorrect Answer {i}": f"wrong {i}" for i in (1, 2, 3)}
    rows = [
        {"#": n, "Question": f"#{n} Which?", "Correct Answer": "right", **wrong}
        for n in range(len(LETTERS))
    ]
    told: dict[int, dict[str, Any]] = {}
    replies: dict[int, str] = {}

    def reply(prompt: str) -> str:
        row = next(row for row in rows if f"#{row['#']} " in prompt)
        lines = [line for line in prompt.splitlines() if line[1:3] in (") ", ". ")]
        listed = [line[3:] for line in lines if line[0] in "ABCD"]
        answer = "ABCD"[listed.index("right")]
        n = row["#"]
        told[n] = {"question": row["Question"], "choices": listed, "answer": answer}
        x = answer if n % 5 < 4 else "ABCD"["BCDA".index(answer)]
        replies[n] = LETTERS[n].format(x=x)
        return replies[n]

    with mock.patch.object(gpqa_eval, "load_dataset", return_value=Frame(rows)):
        make = lambda **kw: gpqa_eval.GPQAEval(is_nemo=nemo, **kw)  # noqa: E731
        kept, metrics = evaluated(make, reply)
    found = []
    for n, row in sorted(told.items()):
        [one] = [k for k in kept if f"#{n} " in k.convo[0]["content"]]
        prompt = one.convo[0]["content"]
        found.append({"row": row, "prompt": prompt, "reply": replies[n], "score": one.score})
    return {"type": kind, "cases": found, "metrics": metrics}


def mgsm() -> dict[str, Any]:
    rows = [
        {"#": n, "question": f"#{n} How many?", "answer_number": answer, "lang": lang}
        for n, (lang, answer, _) in enumerate(NUMBERS)
    ]

    def examples(lang: str) -> list[dict[str, str]]:
        return [
            {"inputs": row["question"], "targets": row["answer_number"], "lang": lang}
            for row in rows
            if row["lang"] == lang
        ]

    with mock.patch.object(mgsm_eval, "get_lang_examples", examples):
        replies = [reply for _, _, reply in NUMBERS]
        return cases("simple_evals.mgsm", mgsm_eval, mgsm_eval.MGSMEval, rows, replies)


def mathematics(kind: str, name: str) -> dict[str, Any]:
    rows = [
        {"#": n, "problem": f"#{n} Solve.", "answer": answer}
        for n, (answer, _) in enumerate(FORMULAS)
    ]

    async def judge(messages: list[dict[str, str]]) -> str:
        """Finds equal what is written alike."""
        given = messages[-1]["content"].rpartition("YOUR TASK")[2]
        one, other = (part.partition("\n")[0].strip() for part in given.split(": ")[1:])
        return "Yes" if one == other else "No"

    make = lambda **kw: math_eval.MathEval(judge, eval_name=name, **kw)  # noqa: E731
    return cases(kind, math_eval, make, rows, [reply for _, reply in FORMULAS])


def simpleqa() -> dict[str, Any]:
    rows = [{"#": n, "problem": f"#{n} Who?", "answer": f"answer {n}"} for n in range(len(GRADES))]

    async def grade(messages: list[dict[str, str]]) -> str:
        return asked(messages[-1]["content"], rows, GRADES)

    prompts: list[str] = []

    async def keep(messages: list[dict[str, str]]) -> str:
        prompts.append(messages[-1]["content"])
        return await grade(messages)

    with mock.patch.object(common, "load_judge", return_value=keep):
        make = lambda **kw: simpleqa_eval.SimpleQAEval({}, **kw)  # noqa: E731
        replies = [f"reply {n}" for n in range(len(GRADES))]
        found = cases("simpleqa", simpleqa_eval, make, rows, replies)
    for case, said in zip(found["cases"], GRADES, strict=True):
        case["judge"] = said
    found["cases"][0]["asked"] = next(p for p in prompts if "#0 " in p)
    return found


def main() -> None:
    found = [
        mmlu(),
        mmlu_pro(),
        gpqa("gpqa_diamond", nemo=False),
        gpqa("gpqa_diamond_nemo", nemo=True),
        mgsm(),
        mathematics("math_test_500", "math_test_500"),
        mathematics("AA_math_test_500", "AA_math_test_500"),
        mathematics("math_test_500_nemo", "math_test_500_nemo"),
        simpleqa(),
    ]
    for evaluation in found:
        seen: set[Any] = set()
        for case in evaluation["cases"]:
            if (lang := case["row"].get("lang")) in seen:
                del case["prompt"]  # they are alike
            seen.add(lang)
    told = {"nvidia-simple-evals": version("nvidia-simple-evals"), "evaluations": found}
    text = json.dumps(told, ensure_ascii=False, indent=None).replace('{"row"', '\n{"row"')
    sys.stdout.write(text.replace('{"type"', '\n{"type"') + "\n")


if __name__ == "__main__":
    main()
