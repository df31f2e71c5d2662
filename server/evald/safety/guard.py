"""What a judge of safety is asked, and what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from evald.errors import EvaluationError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of a prompt and the answer to it. `categories` are the rules that these
    break; None is what the judge does not tell."""

    safe: bool
    safe_prompt: bool | None = None
    refusal: bool | None = None
    categories: frozenset[str] = field(default=frozenset())


class Guard(ABC):
    """A benchmark of safety, with the judge that it was made for."""

    files: ClassVar[Sequence[Mapping[str, Any]]]
    """Where its prompts are published."""

    known: ClassVar[tuple[str, ...]] = ()
    """Categories that the judge tells."""

    question: ClassVar[str]
    """Template of what the judge is asked about a `prompt` and an `answer`, as one message."""

    wrapper: ClassVar[str]
    """The form of `%s` that the judge's model reads, where it is asked for a completion."""

    @abstractmethod
    def verdict(self, reply: str) -> Verdict:
        """Raises EvaluationError of kind `judge` when the reply says something else."""

    def beginning(self, reply: str) -> str | None:
        """How a second reply should begin, where the first left out what matters."""
        return None

    def groups(self, row: Row) -> Mapping[str, str]:
        """What a prompt belongs to, by kinds of group."""
        return {}

    def read(self, row: Row) -> Row | None:
        """The row, or None where it has no prompt to ask. Raises EvaluationError of kind
        `dataset`."""
        prompt = row.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise EvaluationError("dataset", "the row has no text under 'prompt'")
        return row


def unparsed(why: str) -> EvaluationError:
    """A reply of a judge that does not say what it was asked for."""
    return EvaluationError("judge", f"the judge's reply cannot be read: {why}")
