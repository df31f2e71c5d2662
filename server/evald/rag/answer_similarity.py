"""How near an answer is to the reference."""

from __future__ import annotations

from typing import Any

from evald.judging.metric import Judgement
from evald.metrics.metric import MetricParams
from evald.model import Embedder
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.rag.similarity import cosine


class SimilarityParams(MetricParams):
    """With a `threshold` the score is whether it is reached, as 0 or 1."""

    threshold: float | None = None


class AnswerSimilarity(RagMetric):
    """The cosine of the embeddings of answer and reference.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/semantic_similarity/
    """

    type = "answer_similarity"
    needs = ("response", "reference")
    asks_judge = False
    Params = SimilarityParams

    def __init__(self, models: Models, params: SimilarityParams) -> None:
        self._embedder = models.embedder
        self._threshold = params.threshold

    @classmethod
    def embeds(cls, params: Any) -> bool:
        return True

    async def measure(self, sample: RagSample) -> Judgement:
        value = await similarity(self._embedder, sample.reference, sample.response)
        return Judgement(value if self._threshold is None else float(value >= self._threshold))


async def similarity(embedder: Embedder, one: str, other: str) -> float:
    """The cosine of the embeddings of two texts. Raises EvaluationError."""
    # Endpoints refuse empty texts.
    vectors = await embedder.embed([one or " ", other or " "])
    return cosine(*vectors)
