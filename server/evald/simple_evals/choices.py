"""Questions with a choice of answers: MMLU, Global-MMLU, MMLU-Pro and GPQA."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar

from evald.errors import EvaluationError
from evald.simple_evals import words
from evald.simple_evals.benchmark import Benchmark, Row, Tools, first, question_of
from evald.simple_evals.boxed import boxes
from evald.simple_evals.subjects import CATEGORIES

PROMPT = """\
Answer the following multiple choice question. The last line of your response should be of the \
following format: 'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step by \
step before answering.

{Question}

{Choices}"""

LISTED = """\
Answer the following multiple choice question. The last line of your response should be in the \
following format: 'Answer: %s' (e.g. 'Answer: A')."""

BODY = "\n\n{Question}\n\n{Choices}\n"

BOXED = """\
What is the correct answer to this question: {Question}
Choices:
A. {A}
B. {B}
C. {C}
D. {D}
Let's think step by step, and put the final answer (should be a single letter A, B, C, or D) into \
a \\boxed{{}}"""

MARKUP = (
    "**", "$\\boxed{", "}$", "\\$", "$\\text{", "$", "\\mathrm{", "\\{", "\\text", "\\(",
    "\\mathbf{", "{", "\\boxed",
)  # fmt: skip
"""What is taken out of a reply, in this order, so that the letter follows its word."""

AFTER_ANSWER = re.compile(r"(?i)Answer[ \t]*:[ \t]*([A-D])")
EMPHASISED = re.compile(r"(?i)[*_]{0,2}Answer[*_]{0,2}\s*:[\s*_]{0,2}\s*([A-Z])(?![a-zA-Z0-9])")

CORRECT, INCORRECT = "Correct Answer", "Incorrect Answer {}"


@dataclass(frozen=True)
class Choices(Benchmark):
    """Rows of a question, `choices` and the letter of the `answer`. Where a row says which choice
    is correct and not in which order they come, its question decides that."""

    count: ClassVar[int] = 4
    prompt: ClassVar[str] = PROMPT

    def read(self, row: Row) -> Row | None:
        question = question_of(row)
        choices, answer = _choices(row, question)
        if not 2 <= len(choices) <= self.count:
            raise EvaluationError("dataset", f"the row has {len(choices)} choices")
        if answer not in list(ascii_uppercase[: len(choices)]):
            raise EvaluationError("dataset", f"the row's answer {answer!r} is none of its choices")
        more = {key: row[key] for key in ("subject", "category", "id") if row.get(key) is not None}
        return {"question": question, "choices": choices, "answer": answer, **more}

    def template(self, row: Row) -> str:
        return self.prompt

    def values(self, row: Row) -> Mapping[str, str]:
        listed = dict(zip(ascii_uppercase, row["choices"], strict=False))
        lines = "\n".join(f"{letter}) {choice}" for letter, choice in listed.items())
        empty = dict.fromkeys(ascii_uppercase[: self.count], "")
        return {"Question": row["question"], "Choices": lines, **empty, **listed}

    def names(self) -> Sequence[str]:
        return ("Question", "Choices", *ascii_uppercase[: self.count])

    async def grade(self, row: Row, answer: str, tools: Tools) -> Mapping[str, float]:
        return {"score": float(answer == row["answer"])}


class Gpqa(Choices):
    """GPQA by Rein et al. (2023)."""

    def extract(self, row: Row, text: str) -> str | None:
        found = AFTER_ANSWER.search(text)
        return found[1] if found else None


class GpqaBoxed(Choices):
    """GPQA, asked for a box."""

    prompt = BOXED

    def extract(self, row: Row, text: str) -> str | None:
        found = boxes(text)
        return ", ".join(found) if found else None


class Unmarked(Choices):
    """Choices that are looked for in a reply without its marks."""

    def plain(self, reply: str) -> str:
        for mark in MARKUP:
            reply = reply.replace(mark, "")
        return reply


class Mmlu(Unmarked):
    """MMLU by Hendrycks et al. (2020), and its translations of Global-MMLU."""

    macro = True

    def extract(self, row: Row, text: str) -> str | None:
        return words.choice(self.plain(text))

    def groups(self, row: Row) -> Sequence[str]:
        return (CATEGORIES.get(str(row.get("subject")), "other"),)


class MmluPro(Unmarked):
    """MMLU-Pro by Wang et al. (2024), up to ten choices."""

    count = 10
    prompt = f"\n{LISTED % '/'.join(ascii_uppercase[:10])} {BODY}"

    def extract(self, row: Row, text: str) -> str | None:
        found = EMPHASISED.search(self.plain(text))
        return found[1] if found else None


def _choices(row: Row, question: str) -> tuple[list[str], str]:
    """The choices of a row in their order, and the letter of the right one."""
    if CORRECT in row:
        given = [row[CORRECT], *(first(row, INCORRECT.format(i)) for i in (1, 2, 3))]
        order = random.Random(question).sample(range(4), 4)
        return [str(given[i]).strip() for i in order], ascii_uppercase[order.index(0)]
    listed = row.get("choices") or row.get("options")
    if not isinstance(listed, list):
        listed = [first(row, f"option_{letter.lower()}", letter) for letter in "ABCD"]
    answer = first(row, "answer", "Answer")
    if isinstance(answer, int) and 0 <= answer < len(listed):
        answer = ascii_uppercase[answer]
    return [str(choice) for choice in listed], str(answer).strip().upper()
