"""Whether the contexts hold what the reference says."""

from __future__ import annotations

from typing import Any

from evald.judging.metric import Judgement
from evald.judging.statements import Statements
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample


class ContextRecall(RagMetric):
    """The part of what the reference states that follows from the contexts.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/context_recall/
    """

    type = "context_recall"
    range = (0.0, 1.0)
    needs = ("question", "contexts", "reference")

    def __init__(self, models: Models, params: Any) -> None:
        self._statements = Statements(models.judge)

    async def measure(self, sample: RagSample) -> Judgement:
        stated = await self._statements.some_of(sample.question, sample.reference, "reference")
        follows = await self._statements.supported(stated, sample.contexts)
        return Judgement(sum(follows) / len(follows), {"statements": stated, "follows": follows})
