"""Finds documents for queries."""

from __future__ import annotations

from evald.model import Embedder, Reranker
from evald.vectors import Found, Index


class Retriever:
    """Searches an index for what is nearest to a query, and has a model put that in order if there
    is one for it."""

    def __init__(
        self, index: Index, embedder: Embedder, top_k: int, reranker: Reranker | None = None
    ) -> None:
        self._index = index
        self._embedder = embedder
        self._top_k = top_k
        self._reranker = reranker

    async def find(self, query: str) -> list[Found]:
        """At most `top_k` documents, the best first. Raises EvaluationError."""
        [vector] = await self._embedder.embed([query], "query")
        found = await self._index.search(vector, self._top_k)
        if self._reranker is None or not found:
            return found
        scores = await self._reranker.rank(query, [one.text for one in found])
        ranked = [one._replace(score=score) for one, score in zip(found, scores, strict=True)]
        return sorted(ranked, key=lambda one: one.score, reverse=True)
