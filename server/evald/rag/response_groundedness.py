"""Whether an answer stands on its contexts, at a glance."""

from __future__ import annotations

from typing import Any

from evald.judging.metric import Judgement
from evald.judging.ratings import OfTwo, Ratings
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample

QUOTED = """
{% for context in contexts -%}
<context>
{{ context }}
</context>
{% endfor -%}
<answer>
{{ answer }}
</answer>
"""

QUESTIONS = {
    "response_groundedness": f"""
Rate how far the contexts bear out the answer: 2 when they bear out everything that it says, 1 when
they bear out a part, 0 when they bear out nothing of it.
{QUOTED}""",
    "response_groundedness_again": f"""
Go through the answer and look for each of its claims in the contexts, as an editor would who checks
the sources of a text. Rate what you find: 2 when each claim has a source there, 1 when some have
none, 0 when none has.
{QUOTED}""",
}


class ResponseGroundedness(RagMetric):
    """Rates how far the contexts bear out the answer, asked in two ways; 0 without an answer or
    contexts, 1 for an answer that stands there word for word.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/nvidia_metrics/#response-groundedness
    """

    type = "response_groundedness"
    range = (0.0, 1.0)
    needs = ("contexts", "response")

    def __init__(self, models: Models, params: Any) -> None:
        self._ratings = Ratings(models.judge, QUESTIONS, OfTwo, top=2)

    async def measure(self, sample: RagSample) -> Judgement:
        found, said = "\n".join(sample.contexts).strip(), sample.response.strip()
        if not found or not said:
            return Judgement(0.0)
        if said in found:
            return Judgement(1.0)
        return await self._ratings(contexts=list(sample.contexts), answer=sample.response)
