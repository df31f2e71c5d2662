"""The client of a model that turns texts into vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from evald.clients.connection import Connection
from evald.clients.endpoint import EMBEDDINGS
from evald.clients.failure import FailureKind
from evald.clients.reply import read_document, unlike
from evald.errors import EvaluationError
from evald.model import TextKind

Vectors = Sequence[Sequence[float]]


class EmbeddingClient:
    """Asks one endpoint for embeddings, by requests as OpenAI's embeddings take them.

    More is sent until the endpoint refuses it: `input_type`, by which asymmetric models tell
    queries from passages (NVIDIA's NIM and Cohere know it), and `truncate`, by which a text that is
    too long for the model loses its end (NIM, which fails else).
    https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._refused = 0

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._connection.parallelism

    async def embed(self, texts: Sequence[str], kind: TextKind | None = None) -> Vectors:
        """A vector for each text, in their order, by one request. Raises EvaluationError."""
        request: dict[str, Any] = {"input": list(texts), "encoding_format": "float"}
        known: dict[str, Any] = {"input_type": kind} if kind else {}
        forms: Sequence[dict[str, Any]] = ({**known, "truncate": "END"}, known, {})
        first: EvaluationError | None = None
        for number in range(self._refused, len(forms)):
            try:
                vectors = await self._post({**request, **forms[number]}, len(texts))
            except EvaluationError as e:
                first = first or e
                if e.kind != FailureKind.HTTP or not forms[number]:
                    raise first from None
            else:
                self._refused = max(self._refused, number)
                return vectors
        raise AssertionError("the last form has nothing to refuse")

    async def close(self) -> None:
        """Closes the connections. The client can be used no more."""
        await self._connection.close()

    async def _post(self, request: dict[str, Any], count: int) -> Vectors:
        url = self._connection.endpoint.at(EMBEDDINGS, "a request for embeddings")
        answer = await self._connection.post(url, request, partial(parse, count=count))
        return answer.value


def parse(body: bytes | bytearray, count: int) -> Vectors:
    """The vectors of an answer in the order of the texts, all of one size. Raises EvaluationError
    of kind `bad_json` or `bad_schema`."""
    document = read_document(body)
    try:
        data = document["data"]
        by_index = {int(one.get("index", i)): one["embedding"] for i, one in enumerate(data)}
        vectors = [by_index[i] for i in range(count)]
        sound = all(len(vector) == len(vectors[0]) > 0 for vector in vectors)
        if not (sound and all(map(math.isfinite, map(math.fsum, vectors)))):
            raise TypeError
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError):
        lacks = f"`data` does not hold {count} vectors of numbers, all of one size"
        raise unlike(document, "data", lacks) from None
    return vectors
