"""Whether an answer is led astray by its contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from evald.errors import EvaluationError
from evald.judging.metric import Judgement
from evald.judging.statements import Statements
from evald.metrics.metric import MetricParams
from evald.rag.metric import Models, RagMetric
from evald.rag.sample import RagSample
from evald.tasks import together


class NoiseParams(MetricParams):
    """Which contexts are looked at: those that bear out some of the reference, or the others."""

    mode: Literal["relevant", "irrelevant"] = "relevant"


class NoiseSensitivity(RagMetric):
    """The part of what the answer states that is wrong by the reference and yet follows from
    contexts; less is better.

    https://docs.ragas.io/en/stable/concepts/metrics/available_metrics/noise_sensitivity/, after Ru
    et al., "RAGChecker" (2024).
    """

    type = "noise_sensitivity"
    range = (0.0, 1.0)
    needs = ("question", "contexts", "response", "reference")
    Params = NoiseParams

    def __init__(self, models: Models, params: NoiseParams) -> None:
        self._statements = Statements(models.judge)
        self._mode = params.mode

    async def measure(self, sample: RagSample) -> Judgement:
        if not sample.contexts:
            raise EvaluationError(
                "metric", "there are no contexts that could lead the answer astray"
            )
        told = self._statements
        expected, stated = await together(
            [
                told.some_of(sample.question, sample.reference, "reference"),
                told.some_of(sample.question, sample.response, "answer"),
            ]
        )
        right, *borne_out = await together(
            [
                told.supported(stated, [sample.reference]),
                *(told.supported(expected, [context]) for context in sample.contexts),
                *(told.supported(stated, [context]) for context in sample.contexts),
            ]
        )
        count = len(sample.contexts)
        relevant = [any(found) for found in borne_out[:count]]
        followed = borne_out[count:]
        notes = {"statements": stated, "right": right, "relevant": relevant, "follows": followed}
        return Judgement(sensitivity(right, relevant, followed, self._mode), notes)


def sensitivity(
    right: Sequence[bool],
    relevant: Sequence[bool],
    follows: Sequence[Sequence[bool]],
    mode: str,
) -> float:
    """The part of statements that are not `right` and follow from a relevant context, or only from
    others. `follows` tells by context of each statement whether it follows from that."""

    def led_astray(statement: int) -> bool:
        sources = {
            useful for useful, found in zip(relevant, follows, strict=True) if found[statement]
        }
        wanted = True in sources if mode == "relevant" else sources == {False}
        return wanted and not right[statement]

    return sum(map(led_astray, range(len(right)))) / len(right)
