"""Whether the contexts name what the reference names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evald.errors import EvaluationError
from evald.judging.metric import Judgement
from evald.judging.question import Form, Question
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.tasks import together

ENTITIES = """
List what the text names: people, organisations, places, works, products, events, dates, amounts.
Each once, in the form in which people mostly know it, so that other texts on the same matter give
the same list.

<text>
{{ text }}
</text>
"""


class Entities(Form):
    entities: list[str]


class ContextEntityRecall(RagMetric):
    """Of the entities that the reference names, the part that the contexts name too; case and white
    space do not count.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/context_entities_recall/
    """

    type = "context_entity_recall"
    range = (0.0, 1.0)
    needs = ("contexts", "reference")

    def __init__(self, models: Models, params: Any) -> None:
        self._entities = Question(
            models.judge, "entities", ENTITIES, Entities, '{"entities": ["...", "..."]}'
        )

    async def measure(self, sample: RagSample) -> Judgement:
        texts = [sample.reference, "\n".join(sample.contexts)]
        expected, found = await together(self._entities(text=text) for text in texts)
        notes = {"reference": expected.entities, "contexts": found.entities}
        names = plain(expected.entities)
        if not names:
            raise EvaluationError("metric", "the reference names nothing")
        return Judgement(len(names & plain(found.entities)) / len(names), notes)


def plain(entities: Iterable[str]) -> set[str]:
    return {" ".join(entity.split()).casefold() for entity in entities}
