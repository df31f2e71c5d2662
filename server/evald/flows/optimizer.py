"""Finds a better prompt for a task: instructions that a model writes, and examples of the data."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evald.errors import EvaluationError
from evald.flows.signature import Signature
from evald.metrics.verdict import after_thoughts
from evald.model import Asker, Row

SIZES = {"light": 6, "medium": 12, "heavy": 18}
"""Candidates by what `auto` says."""

EXAMPLES = 5
"""Of so many rows one is for examples, the others are for judging."""

ENOUGH = 100
"""When so many rows are for judging, one half chooses the prompt and the other half tells how good
it is: the best of many on some rows looks better on these than it is."""

MOST_TOKENS = 2048
"""Of a proposal and what is thought before it, unless the model says otherwise."""

SHOWN = 5
"""Rows that whoever writes instructions is shown."""

PROPOSAL = """You improve the instruction that a language model is given for a task.

The instruction now:
{instruction}

Rows of the task, with the answers that are expected:
{rows}

Write a better instruction for the same task. {advice} Answer with the instruction alone."""

ADVICE = (
    "Say exactly what each value of the answer means and when to choose it.",
    "Tell the model which steps to think through before it answers.",
    "Be brief and direct.",
    "Name the mistakes that are easily made, and how to avoid them.",
    "Begin by telling the model who it is and what it knows.",
    "Describe what the best possible answer pays attention to.",
)


class OptimizerParams(BaseModel):
    """`params.optimizer` of a task. `auto` sets how much is tried; `num_candidates` and
    `num_trials` say so exactly."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["miprov2"] = "miprov2"
    instruction: str = ""
    signature: str
    auto: Literal["light", "medium", "heavy"] | None = None
    num_candidates: int | None = Field(None, ge=1, le=100)
    num_trials: int | None = Field(None, ge=1, le=1000)
    max_bootstrapped_demos: int = Field(4, ge=0, le=32)
    max_labeled_demos: int = Field(4, ge=0, le=32)
    minibatch_size: int = Field(35, ge=1)
    seed: int = 0

    @property
    def candidates(self) -> int:
        """Instructions, and sets of examples, that are made."""
        return self.num_candidates or SIZES[self.auto or "light"]

    @property
    def trials(self) -> int:
        """Pairs of an instruction and a set of examples that are tried."""
        return self.num_trials or 2 * self.candidates


@dataclass(frozen=True, slots=True)
class Prompt:
    """An instruction, and examples that stand before each question."""

    instruction: str
    demos: Sequence[Row] = field(default=())

    def messages(self, signature: Signature, row: Row) -> list[dict[str, str]]:
        """A chat that asks about a row. Raises EvaluationError of kind `dataset`."""
        system = f"{self.instruction}\n\n{signature.form}".strip()
        chat = [{"role": "system", "content": system}]
        for demo in self.demos:
            chat.append({"role": "user", "content": signature.ask(demo)})
            chat.append({"role": "assistant", "content": signature.answer(demo)})
        chat.append({"role": "user", "content": signature.ask(row)})
        return chat

    def text(self, signature: Signature) -> str:
        """All that stands before the question, as one text."""
        shown = [f"{signature.ask(demo)}\n{signature.answer(demo)}" for demo in self.demos]
        return "\n\n".join([self.instruction, signature.form, *shown]).strip()


Judged = Callable[[Prompt, Sequence[int]], Awaitable[float]]
"""The mean score of a prompt on rows, given by their numbers."""


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the rows that examples are drawn from, of those that choose the prompt, and of
    those that tell how good it is."""

    examples: Sequence[int]
    choosing: Sequence[int]
    judging: Sequence[int]

    @classmethod
    def of(cls, groups: Sequence[Sequence[int]], seed: int) -> Split:
        """Splits rows at random, but no group of them: where a part would end within one, it ends
        before or after it, whichever is nearer."""
        order: list[int] = []
        ends = [0]
        for group in random.Random(seed).sample(groups, len(groups)):
            order += group
            ends.append(len(order))
        first = nearest(ends, len(order) // EXAMPLES)
        middle = nearest(ends, first + (len(order) - first) // 2)
        choosing = judging = order[first:]
        if len(judging) >= ENOUGH and first < middle < len(order):
            choosing, judging = order[first:middle], order[middle:]
        return cls(sorted(order[:first]), sorted(choosing), sorted(judging))

    @property
    def held_out(self) -> bool:
        """Whether the rows that judge the prompt did not choose it."""
        return self.choosing != self.judging


def nearest(numbers: Sequence[int], wanted: int) -> int:
    return min(numbers, key=lambda number: abs(number - wanted))


class Optimizer:
    """Searches for a prompt as MIPROv2 does (Opsahl-Ong et al., "Optimizing Instructions and
    Demonstrations for Multi-Stage Language Model Programs", 2024): instructions are proposed by the
    model from the data, sets of examples are drawn from it, and pairs of both are tried on
    minibatches. Where MIPROv2 models the scores of the trials, this halves the pairs, each time on
    twice as many rows (successive halving; Jamieson and Talwalkar, 2016).
    """

    def __init__(self, params: OptimizerParams, signature: Signature, rows: Sequence[Row]) -> None:
        """`rows` are those that examples may be drawn from."""
        self._params = params
        self._signature = signature
        self._rows = rows
        self._random = random.Random(params.seed)

    async def search(self, asker: Asker, judged: Judged, count: int) -> Prompt:
        """The best prompt found, judged on `count` rows. Raises EvaluationError."""
        instructions = [self._params.instruction, *await self._instructions(asker)]
        demos = [[], *(self._demos() for _ in range(self._params.candidates - 1))]
        pairs = [Prompt(i, tuple(d)) for i in instructions for d in demos]
        baseline = pairs.pop(0)
        self._random.shuffle(pairs)
        prompts = [baseline, *pairs[: self._params.trials - 1]]
        order = self._random.sample(range(count), count)
        size = min(self._params.minibatch_size, count)
        while len(prompts) > 1:
            scores = [await judged(prompt, order[:size]) for prompt in prompts]
            ranked = sorted(range(len(prompts)), key=lambda i: (-scores[i], i))
            prompts = [prompts[i] for i in ranked[: math.ceil(len(prompts) / 2)]]
            if size == count:
                return prompts[0]
            size = min(2 * size, count)
        return prompts[0]

    def evaluations(self, count: int) -> int:
        """Rows that a search asks about at most."""
        total, prompts, size = 0, self._params.trials, min(self._params.minibatch_size, count)
        while prompts > 1:
            total += prompts * size
            if size == count:
                break
            prompts, size = math.ceil(prompts / 2), min(2 * size, count)
        return total

    def _demos(self) -> list[Row]:
        most = max(self._params.max_labeled_demos, self._params.max_bootstrapped_demos)
        return self._random.sample(list(self._rows), min(most, len(self._rows)))

    async def _instructions(self, asker: Asker) -> list[str]:
        """Instructions that the model proposes; what is empty or said before is left out."""
        found: list[str] = []
        unsaid = {"max_tokens": MOST_TOKENS}
        for i in range(self._params.candidates - 1):
            shown = self._random.sample(list(self._rows), min(SHOWN, len(self._rows)))
            rows = "\n\n".join(
                f"{self._signature.ask(row)}\n{self._signature.answer(row)}" for row in shown
            )
            text = PROPOSAL.format(
                instruction=self._params.instruction or "(there is none)",
                rows=rows,
                advice=ADVICE[i % len(ADVICE)],
            )
            try:
                request = {"messages": [{"role": "user", "content": text}]}
                said = await asker.text({"request": request}, unsaid)
            except EvaluationError as e:
                if e.kind != "response":
                    raise
                continue
            instruction = after_thoughts(said).strip()
            if instruction and instruction not in (*found, self._params.instruction):
                found.append(instruction)
        return found
