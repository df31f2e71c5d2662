"""The metrics of RAG by the names that configs call them by."""

from __future__ import annotations

from collections.abc import Mapping

from evald.rag.answer_accuracy import AnswerAccuracy
from evald.rag.answer_correctness import AnswerCorrectness
from evald.rag.answer_relevancy import AnswerRelevancy
from evald.rag.answer_similarity import AnswerSimilarity
from evald.rag.context_entity_recall import ContextEntityRecall
from evald.rag.context_precision import ContextPrecision
from evald.rag.context_recall import ContextRecall
from evald.rag.context_relevance import ContextRelevance
from evald.rag.faithfulness import Faithfulness
from evald.rag.metric import RagMetric
from evald.rag.noise_sensitivity import NoiseSensitivity
from evald.rag.response_groundedness import ResponseGroundedness

METRICS: Mapping[str, type[RagMetric]] = {
    metric.type: metric
    for metric in (
        AnswerAccuracy,
        AnswerCorrectness,
        AnswerRelevancy,
        AnswerSimilarity,
        ContextEntityRecall,
        ContextPrecision,
        ContextRecall,
        ContextRelevance,
        Faithfulness,
        NoiseSensitivity,
        ResponseGroundedness,
    )
}

ALIASES = {"response_relevancy": "answer_relevancy"}
"""Other names for some of them."""
