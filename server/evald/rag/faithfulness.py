"""Whether an answer keeps to its contexts."""

from __future__ import annotations

from typing import Any

from evald.judging.metric import Judgement
from evald.judging.statements import Statements
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample


class Faithfulness(RagMetric):
    """The part of what the answer states that follows from the contexts.

    Es et al., "RAGAS: Automated Evaluation of Retrieval Augmented Generation" (2023), section 3.
    """

    type = "faithfulness"
    range = (0.0, 1.0)
    needs = ("question", "contexts", "response")

    def __init__(self, models: Models, params: Any) -> None:
        self._statements = Statements(models.judge)

    async def measure(self, sample: RagSample) -> Judgement:
        stated = await self._statements.some_of(sample.question, sample.response, "answer")
        follows = await self._statements.supported(stated, sample.contexts)
        return Judgement(sum(follows) / len(follows), {"statements": stated, "follows": follows})
