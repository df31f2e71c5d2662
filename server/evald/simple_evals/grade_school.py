"""MGSM: grade-school mathematics in eleven languages, by Shi et al. (2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evald.errors import EvaluationError
from evald.simple_evals import prompts
from evald.simple_evals.benchmark import Benchmark, Row, Tools, first, question_of

LANGUAGES: Mapping[str, Mapping[str, str]] = prompts.table("mgsm")
"""The `instruction` of each language, and its word for the `answer`."""

LATIN = ("de", "en", "es", "fr", "sw")

NUMBER = re.compile(r"\d+\.?\d*")


@dataclass(frozen=True)
class Mgsm(Benchmark):
    """Rows of a question, its whole number as the `answer`, and the `lang` that both are in."""

    macro = True

    def read(self, row: Row) -> Row | None:
        lang = row.get("lang", "en")
        if lang not in LANGUAGES:
            known = ", ".join(LANGUAGES)
            raise EvaluationError("dataset", f"the row's lang {lang!r} is none of {known}")
        answer = str(first(row, "answer_number", "targets", "answer")).strip()
        if not NUMBER.search(answer):
            raise EvaluationError("dataset", f"the row's answer {answer!r:.80} has no number")
        return {"question": question_of(row), "answer": answer, "lang": lang}

    def template(self, row: Row) -> str:
        return "{instruction}\n\n{input}"

    def values(self, row: Row) -> Mapping[str, str]:
        instruction = LANGUAGES[row["lang"]]["instruction"]
        return {"instruction": instruction, "input": row["question"]}

    def names(self) -> Sequence[str]:
        return ("instruction", "input")

    def extract(self, row: Row, text: str) -> str | None:
        """The last number after the last of the language's words for the answer."""
        _, found, after = text.rpartition(LANGUAGES[row["lang"]]["answer"])
        numbers = NUMBER.findall(after.replace(",", "")) if found else []
        return numbers[-1].rstrip(".") if numbers else None

    async def grade(self, row: Row, answer: str, tools: Tools) -> Mapping[str, float]:
        if "." in answer:
            answer = answer.rstrip("0").rstrip(".")
        return {"score": float(answer == whole(row["answer"]))}

    def groups(self, row: Row) -> Sequence[str]:
        latin = "group_latin" if row["lang"] in LATIN else "group_non_latin"
        return (row["lang"], latin)


def whole(answer: str) -> str:
    """A number as it is compared: without commas, and as `18` where a table had `18.0`."""
    text = answer.replace(",", "")
    return text.rstrip("0").rstrip(".") if "." in text else text
