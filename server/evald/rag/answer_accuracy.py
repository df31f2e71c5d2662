"""Whether an answer agrees with the reference, at a glance."""

from __future__ import annotations

from typing import Any

from evald.judging import answer_accuracy
from evald.judging.metric import Judgement
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample


class AnswerAccuracy(RagMetric):
    """Rates the answer against the reference, once from the side of each."""

    type = "answer_accuracy"
    range = (0.0, 1.0)
    needs = ("question", "response", "reference")

    def __init__(self, models: Models, params: Any) -> None:
        self._accuracy = answer_accuracy.AnswerAccuracy(models.judge)

    async def measure(self, sample: RagSample) -> Judgement:
        return await self._accuracy(
            question=sample.question, answer=sample.response, reference=sample.reference
        )
