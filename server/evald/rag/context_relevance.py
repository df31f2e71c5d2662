"""Whether the contexts are about the question."""

from __future__ import annotations

from typing import Any

from evald.judging.metric import Judgement
from evald.judging.ratings import OfTwo, Ratings
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample

QUOTED = """
<question>
{{ question }}
</question>
{% for context in contexts -%}
<context>
{{ context }}
</context>
{% endfor %}
"""

QUESTIONS = {
    "context_relevance": f"""
Rate how much of what is needed to answer the question stands in the contexts, without any other
knowledge: 2 when all of it does, 1 when a part does, 0 when nothing does.
{QUOTED}""",
    "context_relevance_again": f"""
Imagine that somebody who knows nothing of the matter has to answer the question, and has only the
contexts to look it up. Rate how far they would get: 2 for a whole answer, 1 for a piece of it, 0
for no answer at all.
{QUOTED}""",
}


class ContextRelevance(RagMetric):
    """Rates how far the contexts allow to answer the question, asked in two ways; 0 without a
    question or contexts, and where the contexts only repeat the question.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/nvidia_metrics/#context-relevance
    """

    type = "context_relevance"
    range = (0.0, 1.0)
    needs = ("question", "contexts")

    def __init__(self, models: Models, params: Any) -> None:
        self._ratings = Ratings(models.judge, QUESTIONS, OfTwo, top=2)

    async def measure(self, sample: RagSample) -> Judgement:
        question, contexts = sample.question.strip(), "\n".join(sample.contexts).strip()
        if not question or contexts in question:  # nothing is in everything
            return Judgement(0.0)
        return await self._ratings(question=sample.question, contexts=list(sample.contexts))
