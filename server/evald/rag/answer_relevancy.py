"""Whether an answer is about the question."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from pydantic import Field

from evald.judging.metric import Judgement
from evald.judging.question import Form, Question
from evald.metrics.metric import MetricParams
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.rag.similarity import cosine

QUESTIONS = """
Guess what was asked. Write {{ number }} different questions, each of which the answer below would
answer wholly, with nothing to spare. Tell too whether the answer is noncommittal: whether it keeps
from answering, says that it does not know, or is so vague that it would fit nearly any question.

<answer>
{{ answer }}
</answer>
"""


class RelevancyParams(MetricParams):
    """`strictness` is how many questions the judge guesses."""

    strictness: int = Field(3, ge=1, le=20)


class Guessed(Form):
    questions: list[str]
    noncommittal: bool


class AnswerRelevancy(RagMetric):
    """The mean cosine of the embeddings of the question and of questions that the judge guesses
    from the answer; 0 for an answer that does not commit itself.

    Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation" (2023), section 3.
    """

    type = "answer_relevancy"
    needs = ("question", "response")
    Params = RelevancyParams

    def __init__(self, models: Models, params: RelevancyParams) -> None:
        self._embedder = models.embedder
        self._number = params.strictness
        self._guess = Question(
            models.judge,
            "questions",
            QUESTIONS,
            Guessed,
            '{"questions": ["...", "..."], "noncommittal": false}',
        )

    @classmethod
    def embeds(cls, params: Any) -> bool:
        return True

    async def measure(self, sample: RagSample) -> Judgement:
        guess = await self._guess(count=self._number, number=self._number, answer=sample.response)
        if guess.noncommittal:
            return Judgement(0.0, guess.model_dump())
        asked, *guessed = await self._embedder.embed([sample.question, *guess.questions])
        return Judgement(fmean(cosine(asked, vector) for vector in guessed), guess.model_dump())
