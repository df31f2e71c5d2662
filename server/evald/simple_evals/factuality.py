"""SimpleQA: short questions of fact, by Wei et al., "Measuring short-form factuality in large
language models" (2024)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evald.errors import EvaluationError
from evald.metrics.verdict import after_thoughts
from evald.simple_evals import prompts
from evald.simple_evals.benchmark import Benchmark, Row, Tools, first, question_of

GRADES = {"A": "is_correct", "B": "is_incorrect", "C": "is_not_attempted"}

LETTER = re.compile(r"\b([ABC])\b")
WORDS = {"NOT_ATTEMPTED": "C", "NOT ATTEMPTED": "C", "INCORRECT": "B", "CORRECT": "A"}
"""What judges say in place of a letter; the longer words first."""


@dataclass(frozen=True)
class SimpleQa(Benchmark):
    """Rows of a question and its `answer`. The judge says of each reply whether it is correct,
    incorrect, or not attempted."""

    judge = prompts.template("simpleqa")
    needs_judge = True
    counted = tuple(GRADES.values())

    def read(self, row: Row) -> Row | None:
        return {"question": question_of(row), "answer": str(first(row, "answer", "Answer"))}

    def template(self, row: Row) -> str:
        return "{problem}"

    def values(self, row: Row) -> Mapping[str, str]:
        return {"problem": row["question"]}

    def names(self) -> Sequence[str]:
        return ("problem",)

    def extract(self, row: Row, text: str) -> str | None:
        return text

    async def grade(self, row: Row, answer: str, tools: Tools) -> Mapping[str, float]:
        assert tools.ask is not None
        asked = {"question": row["question"], "target": row["answer"], "predicted_answer": answer}
        letter = letter_of(await tools.ask(asked))
        grades = {name: float(name == GRADES[letter]) for name in GRADES.values()}
        return {"score": grades["is_correct"], **grades}

    def combine(self, counted: Mapping[str, float]) -> Mapping[str, float]:
        """Of the questions that were attempted the part that is correct, and the harmonic mean of
        that and of the part of all that is."""
        correct, incorrect, passed = (counted[name] for name in GRADES.values())
        attempted, total = correct + incorrect, correct + incorrect + passed
        if not total:
            return {}
        given = correct / attempted if attempted else 0.0
        overall = correct / total
        f1 = 2 * given * overall / (given + overall) if correct else 0.0
        return {"accuracy_given_attempted": given, "f1": f1}


def letter_of(reply: str) -> str:
    """The grade in a judge's reply, after its thoughts. Raises EvaluationError of kind `judge`."""
    said = after_thoughts(reply)
    if found := LETTER.search(said):
        return found[1]
    for word, letter in WORDS.items():
        if word in said.upper():
            return letter
    raise EvaluationError("judge", f"the judge says none of A, B and C, but {reply!r:.80}")
