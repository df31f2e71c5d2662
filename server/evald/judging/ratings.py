"""Ratings on a short scale, asked for in two ways that are averaged.

RAGAS has three metrics of this kind, which NVIDIA gave it:
https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/nvidia_metrics/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

from evald.judging.metric import Judgement
from evald.judging.question import Form, Judge, Question
from evald.tasks import together


class OfTwo(Form):
    """0 for not at all, 1 for partly, 2 for wholly."""

    rating: Literal[0, 1, 2]


class OfFour(Form):
    """0 for not at all, 2 for partly, 4 for wholly."""

    rating: Literal[0, 2, 4]


R = TypeVar("R", OfTwo, OfFour)


class Ratings(Generic[R]):
    """Two questions for one rating, each as its name and text. The mean over `top` is the value."""

    def __init__(
        self, judge: Judge, questions: Mapping[str, str], form: type[R], *, top: int
    ) -> None:
        example = f'{{"rating": {top}}}'
        self._questions: list[Question[R]] = [
            Question(judge, name, text, form, example) for name, text in questions.items()
        ]
        self._top = top

    async def __call__(self, **quoted: Any) -> Judgement:
        """Raises EvaluationError when one of the two cannot be had: the other is no mean."""
        answers = await together(question(**quoted) for question in self._questions)
        ratings = [answer.rating for answer in answers]
        return Judgement(sum(ratings) / len(ratings) / self._top, {"ratings": ratings})
