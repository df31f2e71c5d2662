"""Whether an answer says what the reference says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from evald.judging.metric import Judgement
from evald.judging.statements import Statements
from evald.metrics.metric import MetricParams
from evald.rag.answer_similarity import similarity
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.tasks import together


class CorrectnessParams(MetricParams):
    """`weights` of what is stated and of how near the texts are; `beta` above 1 gives more weight
    to what the answer leaves out, below 1 to what it makes up."""

    weights: tuple[float, float] = (0.75, 0.25)
    beta: float = Field(1.0, gt=0)

    @field_validator("weights")
    @classmethod
    def _weigh(cls, weights: tuple[float, float]) -> tuple[float, float]:
        if min(weights) < 0 or not sum(weights):
            raise ValueError("weights must not be negative, and not all 0")
        return weights


class AnswerCorrectness(RagMetric):
    """The weighted mean of two: the F score of what the answer states, against what the reference
    states, and the cosine of the embeddings of both.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/answer_correctness/
    """

    type = "answer_correctness"
    needs = ("question", "response", "reference")
    Params = CorrectnessParams

    def __init__(self, models: Models, params: CorrectnessParams) -> None:
        self._statements = Statements(models.judge)
        self._weights = params.weights
        self._beta = params.beta
        self._embedder = models.embedder if params.weights[1] else None

    @classmethod
    def embeds(cls, params: Any) -> bool:
        return bool(params.weights[1])

    async def measure(self, sample: RagSample) -> Judgement:
        told = self._statements
        stated, expected = await together(
            [
                told.of(sample.question, sample.response),
                told.some_of(sample.question, sample.reference, "reference"),
            ]
        )
        right, found = await together(
            [
                told.supported(stated, [sample.reference]),
                told.supported(expected, [sample.response]),
            ]
        )
        factuality = f_score(right, found, self._beta)
        near = 0.0
        if self._embedder:
            near = await similarity(self._embedder, sample.reference, sample.response)
        weight, other = self._weights
        notes = {"statements": stated, "right": right, "reference": expected, "found": found}
        return Judgement((weight * factuality + other * near) / (weight + other), notes)


def f_score(right: Sequence[bool], found: Sequence[bool], beta: float = 1.0) -> float:
    """The F score where what is right is a true positive, what is not right a false positive, and
    what was not found a false negative."""
    hits = sum(right)
    if not hits:
        return 0.0
    misses = len(found) - sum(found)
    square = beta * beta
    return (1 + square) * hits / ((1 + square) * hits + square * misses + len(right) - hits)
