"""What a metric of RAG is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from evald.judging.metric import JudgedMetric, Judgement
from evald.judging.question import Judge
from evald.model import Embedder
from evald.rag.sample import RagSample


class Models:
    """The models that metrics ask; None is one that none of them needs."""

    def __init__(self, judge: Judge | None, embedder: Embedder | None) -> None:
        self._judge = judge
        self._embedder = embedder

    @property
    def judge(self) -> Judge:
        assert self._judge is not None, "it was checked that there is one"
        return self._judge

    @property
    def embedder(self) -> Embedder:
        assert self._embedder is not None, "it was checked that there is one"
        return self._embedder


class RagMetric(JudgedMetric):
    """Gives one score to each sample. `needs` are the fields of a sample that it reads."""

    needs: ClassVar[tuple[str, ...]]
    asks_judge: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, models: Models, params: Any) -> None: ...

    @classmethod
    def embeds(cls, params: Any) -> bool:
        """Whether it needs embeddings under its params."""
        return False

    async def judge(self, context: Mapping[str, Any]) -> Judgement:
        row = context["item"]
        sample = context.get("sample")
        if sample is not None and sample is not row.get("sample"):  # else a field of the row
            row = {**row, "answer": sample["output_text"]}
            if "contexts" in sample:
                row["contexts"] = sample["contexts"]
        return await self.measure(RagSample.of(row, self.needs))

    @abstractmethod
    async def measure(self, sample: RagSample) -> Judgement:
        """Judges a sample. Raises EvaluationError: of kind `metric` when the value is not defined
        for it."""
