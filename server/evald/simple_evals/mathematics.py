"""Competition mathematics: MATH-500 and AIME."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evald.errors import EvaluationError
from evald.metrics.verdict import after_thoughts
from evald.simple_evals import prompts
from evald.simple_evals.benchmark import Benchmark, Row, Tools, first, question_of
from evald.simple_evals.boxed import boxes

PROMPT = """\
Solve the following math problem step by step. The last line of your response should be of the \
form Answer: $ANSWER (without quotes) where $ANSWER is the answer to the problem.

{Question}

Remember to put your answer on its own line after "Answer:", and you do not need to use a \\boxed \
command."""

BOXED = """\
Solve the following math problem step by step. Put your answer inside \\\\boxed{{}}.

{Question}

Remember to put your answer inside \\\\boxed{{}}."""

LAST_BOXED = """\
Below is a math question. I want you to reason through the steps and then give a final answer. \
Your final answer should be in \\\\boxed{{}}.
Question: {Question}"""

LINE = re.compile(r"(?i)Answer\s*:\s*([^\n]+)")

YEAR = re.compile(r"/(\d{4})_AIME")
"""In the URLs of AIME's problems."""


@dataclass(frozen=True)
class Mathematics(Benchmark):
    """Rows of a question and its `answer`, a formula. Of AIME's problems those of a `year` count.

    Where a judge is given it says whether answers are equal; `symbols_first` asks it only about
    those that mathematics does not find equal.
    """

    year: str | None = None
    prompt: str = PROMPT
    symbols_first: bool = False

    judge = prompts.template("equality")
    needs_equality = True

    def read(self, row: Row) -> Row | None:
        if self.year and (found := YEAR.search(str(row.get("url")))) and found[1] != self.year:
            return None
        more = {key: row[key] for key in ("subject", "level", "url") if row.get(key) is not None}
        answer = str(first(row, "answer", "Answer")).strip()
        return {"question": question_of(row), "answer": answer, **more}

    def template(self, row: Row) -> str:
        return self.prompt

    def values(self, row: Row) -> Mapping[str, str]:
        return {"Question": row["question"]}

    def names(self) -> Sequence[str]:
        return ("Question",)

    def extract(self, row: Row, text: str) -> str | None:
        if self.prompt == PROMPT:
            found = LINE.search(text)
            return found[1] if found else None
        found_boxes = boxes(text)
        if not found_boxes:
            return None
        return ", ".join(found_boxes) if self.prompt == LAST_BOXED else found_boxes[-1]

    async def grade(self, row: Row, answer: str, tools: Tools) -> Mapping[str, float]:
        expected = row["answer"]
        if tools.ask is None:
            return {"score": float(await tools.equal(expected, answer))}
        if self.symbols_first and await tools.equal(expected, answer):
            return {"score": 1.0}
        said = await tools.ask({"expression1": expected, "expression2": answer})
        match after_thoughts(said).strip().strip(".'\"*").lower():
            case "yes":
                return {"score": 1.0}
            case "no":
                return {"score": 0.0}
        raise EvaluationError("judge", f"the judge says neither 'Yes' nor 'No', but {said!r:.80}")
