"""Replies of a model that are JSON by a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evald.errors import EvaluationError
from evald.model import Asker


class StructuredAsker:
    """Asks for JSON by a schema, and without one once the endpoint has refused that, unless the
    schema is `required`. With `wanted` off, no schema is sent."""

    def __init__(self, asker: Asker, *, wanted: bool = True, required: bool = False) -> None:
        self._asker = asker
        self._wanted = wanted
        self._required = required

    async def text(self, context: Mapping[str, Any], format: Mapping[str, Any] | None) -> str:
        """The model's reply; `format` is the request's `response_format`. Raises
        EvaluationError."""
        if not self._wanted or format is None:
            return await self._asker.text(context)
        try:
            return await self._asker.text(context, {"response_format": format})
        except EvaluationError as e:
            if e.kind not in ("http", "server_error") or self._required:
                raise
            reply = await self._asker.text(context)
            self._wanted = False  # it was the schema that the endpoint refused
            return reply


def response_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What asks for a reply of a schema."""
    named = {"name": name, "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}
