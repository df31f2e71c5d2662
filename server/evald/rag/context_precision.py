"""Whether useful contexts come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evald.judging.metric import Judgement
from evald.judging.question import Form, Question
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.tasks import together

USEFUL = """
Tell whether the context was of use for the answer: whether somebody who has to write it would take
something from there. Give a short reason first.

<question>
{{ question }}
</question>
<answer>
{{ reference }}
</answer>
<context>
{{ context }}
</context>
"""


class Useful(Form):
    reason: str = ""
    useful: bool


class ContextPrecision(RagMetric):
    """Average precision of the contexts in their order, a context counting as relevant when it was
    of use for the reference answer; 0 when none was.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/context_precision/
    """

    type = "context_precision"
    range = (0.0, 1.0)
    needs = ("question", "contexts", "reference")

    def __init__(self, models: Models, params: Any) -> None:
        self._useful = Question(
            models.judge, "useful", USEFUL, Useful, '{"reason": "...", "useful": true}'
        )

    async def measure(self, sample: RagSample) -> Judgement:
        answers = await together(
            self._useful(question=sample.question, reference=sample.reference, context=context)
            for context in sample.contexts
        )
        useful = [answer.useful for answer in answers]
        return Judgement(average_precision(useful), {"useful": useful})


def average_precision(relevant: Sequence[bool]) -> float:
    """The mean of the precisions at the ranks of what is relevant."""
    ranks = [rank for rank, is_relevant in enumerate(relevant, 1) if is_relevant]
    precisions = [found / rank for found, rank in enumerate(ranks, 1)]
    return sum(precisions) / len(precisions) if precisions else 0.0
