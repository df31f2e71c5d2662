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

    `input_type`, by which asymmetric models tell queries from passages (NVIDIA's NIM and Cohere
    know it), is sent until the endpoint refuses it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sends_kind = True

    @property
    def parallelism(self) -> int:
        """Requests in flight at once, at most."""
        return self._connection.parallelism

    async def embed(self, texts: Sequence[str], kind: TextKind | None = None) -> Vectors:
        """A vector for each text, in their order, by one request. Raises EvaluationError."""
        request: dict[str, Any] = {"input": list(texts), "encoding_format": "float"}
        if not kind or not self._sends_kind:
            return await self._post(request, len(texts))
        try:
            return await self._post({**request, "input_type": kind}, len(texts))
        except EvaluationError as refused:
            if refused.kind != FailureKind.HTTP:
                raise
            try:
                vectors = await self._post(request, len(texts))
            except EvaluationError:
                raise refused from None
        self._sends_kind = False
        return vectors

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
