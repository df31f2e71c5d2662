"""Answers from contexts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from evald.model import Asker, Row
from evald.rag.sample import RagSample

Ordering = Literal["desc", "asc"]
"""Whether the best context stands first or last."""

PROMPT = """\
Answer the question from the passages. Be brief, and say so when they do not hold the answer.

{% for context in contexts -%}
Passage {{ loop.index }}:
{{ context }}

{% endfor -%}
Question: {{ question }}
"""
"""What a model is asked unless the config has a template of its own."""

Find = Callable[[Row], Awaitable[Mapping[str, Any]]]
"""Finds what goes into a sample besides the answer: `contexts`, the best first, and more."""


async def given(row: Row) -> Mapping[str, Any]:
    """The contexts that a row has. Raises EvaluationError of kind `dataset`."""
    return {"contexts": list(RagSample.of(row, ("contexts",)).contexts)}


class Answering:
    """Has a model answer the question of each row from the contexts that `find` finds for it."""

    def __init__(self, asker: Asker, find: Find, ordering: Ordering = "desc") -> None:
        self._asker = asker
        self._find = find
        self._ordering = ordering

    async def __call__(self, row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer, with what was found. Raises EvaluationError."""
        found = await self._find(row)
        question = RagSample.of(row, ("question",)).question
        contexts = ordered(found["contexts"], self._ordering)
        told = {**seen, "question": question, "contexts": contexts}
        return {**await self._asker(row, told), **found}


def ordered(contexts: Sequence[str], ordering: Ordering) -> list[str]:
    """Contexts, of which the best is first, as the model gets them."""
    return list(contexts) if ordering == "desc" else list(reversed(contexts))
