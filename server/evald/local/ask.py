"""What is asked of a model that runs here, and what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from random import Random

STOP, LENGTH = "stop", "length"
"""Why a text ends: the model, or a stop word, has ended it, or it is as long as it may be."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 takes the most probable one."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0

    @property
    def penalises(self) -> bool:
        return bool(
            self.frequency_penalty or self.presence_penalty or self.repetition_penalty != 1.0
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """One text to write after the tokens of a prompt. `logprobs` is how many of the most probable
    tokens are told at each place, None for no logarithms; `echo` tells them of the prompt too."""

    prompt: Sequence[int]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: Sequence[str] = ()
    seed: str | None = None
    logprobs: int | None = None
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A token, the natural logarithm of its probability (None for a text's first, which follows
    nothing), and the most probable tokens at its place with theirs."""

    token: int
    logprob: float | None
    top: Sequence[tuple[int, float]] = ()


@dataclass(eq=False, slots=True)
class Row:
    """An ask on its way. `written` are the tokens so far, without the one that ends a text;
    `read` is the prompt's part of the logprobs, `told` that of what is written."""

    ask: Ask
    answer: Future[Row] = field(default_factory=Future)
    written: list[int] = field(default_factory=list)
    read: list[Choice] = field(default_factory=list)
    told: list[Choice] = field(default_factory=list)
    text: str = ""
    finish: str | None = None
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.ask.seed)

    @property
    def tokens(self) -> list[int]:
        """All that the model has to read to go on."""
        return [*self.ask.prompt, *self.written]

    @property
    def last(self) -> int:
        """The last of its `tokens`."""
        return self.written[-1] if self.written else self.ask.prompt[-1]

    @property
    def length(self) -> int:
        """How many `tokens` there are."""
        return len(self.ask.prompt) + len(self.written)

    @property
    def unread(self) -> bool:
        """Whether the logprobs of its prompt are still to be made."""
        return self.ask.echo and self.ask.logprobs is not None and not self.read
