"""The client of a model that tells how well passages suit a query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from evald.clients.connection import Connection
from evald.clients.endpoint import RANKING, RERANK
from evald.clients.reply import read_document, unlike


class RankingClient:
    """Asks one endpoint: as NVIDIA's NIM takes it, at `/v1/ranking`, unless the URL ends in
    `/rerank`, as those of Cohere and Jina do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._connection.parallelism

    async def rank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """A score for each passage, in their order: the higher, the better it suits. Raises
        EvaluationError."""
        endpoint = self._connection.endpoint
        count = len(passages)
        if endpoint.end == RERANK:
            request = {"query": query, "documents": list(passages), "top_n": count}
            members = ("results", "relevance_score")
        else:
            texts = [{"text": passage} for passage in passages]
            request = {"query": {"text": query}, "passages": texts, "truncate": "END"}
            members = ("rankings", "logit")
        end = RERANK if endpoint.end == RERANK else RANKING
        url = endpoint.at(end, "a request for a ranking")
        read = partial(parse, members=members, count=count)
        return (await self._connection.post(url, request, read)).value

    async def close(self) -> None:
        """Closes the connections. The client can be used no more."""
        await self._connection.close()


def parse(body: bytes | bytearray, members: tuple[str, str], count: int) -> Sequence[float]:
    """The scores of an answer in the order of the passages, from the two `members` that they are
    in. Raises EvaluationError of kind `bad_json` or `bad_schema`."""
    held, score = members
    document = read_document(body)
    try:
        by_index = {int(one["index"]): float(one[score]) for one in document[held]}
        scores = [by_index[i] for i in range(count)]
        if not all(map(math.isfinite, scores)):
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise unlike(document, held, f"`{held}` does not hold {count} numbers `{score}`") from None
    return scores
