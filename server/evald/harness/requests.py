"""lm-eval's requests as an endpoint gets them, and what its replies say to lm-eval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from evald.errors import EvaluationError
from evald.harness.tokens import Tokenizer
from evald.model import CHAT

MAX_TOKENS = 256
"""Of an answer, where neither the config nor the task says how many, as lm-eval has it."""

SEED = 1234
LENGTH = 2047
"""Tokens of a text whose probability is asked for, at most: what lies before is cut, as lm-eval
does unless told otherwise."""

NO_LOGPROBS = (
    "its replies hold no logprobs of the prompt, which this task needs: serve the model with an "
    "endpoint that takes `echo` with `logprobs`, such as vLLM's /v1/completions, or choose a task "
    "that is answered by writing"
)


def generation(arguments: Sequence[Any], form: str) -> dict[str, Any]:
    """The request of an instance that is answered by writing, without params of the config."""
    context, given = arguments[0], dict(arguments[1])
    given.pop("do_sample", None)
    until = given.pop("until", None) or []
    stop = [until] if isinstance(until, str) else list(until)
    tokens = given.pop("max_gen_toks", MAX_TOKENS)
    asked = {"temperature": 0, "seed": SEED, "max_tokens": tokens, **given}
    if form == CHAT:
        return {"messages": messages(context), "stop": stop, **asked}
    if not isinstance(context, str):
        raise EvaluationError(
            "flow",
            "a completion endpoint needs to know how the model writes chats: give "
            "params.extra.tokenizer, or leave apply_chat_template away, or ask for chats",
        )
    return {"prompt": context, "stop": stop, **asked}


def messages(context: Any) -> list[dict[str, Any]]:
    """The conversation that lm-eval made; a plain text is what the user says."""
    if isinstance(context, str):
        return [{"role": "user", "content": context}]
    conversation: list[dict[str, Any]] = json.loads(context.prompt)
    return [{k: v for k, v in m.items() if k in ("role", "content")} for m in conversation]


class Likelihood:
    """Asks how probable a text is that goes on from another.

    Where that begins tells the tokenizer, if there is one, else the endpoint's own tokens.
    """

    def __init__(self, context: str, continuation: str, tokenizer: Tokenizer | None) -> None:
        blanks = len(context) - len(context.rstrip())
        if context and blanks:  # words begin with the blank before them
            continuation = context[-blanks:] + continuation
            context = context[:-blanks]
        self._text = context + continuation
        self._begin = len(context)
        self._prompt: str | list[int] = self._text
        self._tokens: int | None = None
        if tokenizer is not None:
            self._prompt, self._tokens = encoded(context, continuation, tokenizer)

    @property
    def request(self) -> dict[str, Any]:
        return {
            "prompt": self._prompt,
            "temperature": 0,
            "max_tokens": 1,
            "logprobs": 1,
            "seed": SEED,
            "echo": True,
        }

    def read(self, response: Mapping[str, Any]) -> tuple[float, bool]:
        """The logarithm of its probability, and whether the model would write it by itself. Raises
        EvaluationError of kind `response`."""
        said = response["choices"][0].get("logprobs") or {}
        values, tops = said.get("token_logprobs"), said.get("top_logprobs")
        if not isinstance(values, list) or len(values) < 2:
            raise EvaluationError("response", NO_LOGPROBS)
        begin, end = self._span(said, len(values))
        chosen = [v for v in values[begin:end] if v is not None]
        best = [max(t.values()) if t else None for t in (tops or [])[begin:end]]
        greedy = len(best) == end - begin and all(
            v is None or b is None or v == b for v, b in zip(values[begin:end], best, strict=True)
        )
        return sum(chosen), greedy

    def _span(self, said: Mapping[str, Any], count: int) -> tuple[int, int]:
        """The tokens that belong to the text."""
        if self._tokens is not None:
            return self._tokens, count - 1
        tokens = [str(token) for token in said.get("tokens") or []]
        joined = "".join(tokens)
        place = joined.find(self._text)
        if place >= 0:
            starts = [0, *accumulate(map(len, tokens))][:-1]
            starts = [start - place for start in starts]
        else:  # tokens that are parts of letters
            starts = list(said.get("text_offset") or [])
        if len(starts) != count:
            raise EvaluationError(
                "response",
                "the endpoint does not tell where its tokens stand in the text; give "
                "params.extra.tokenizer",
            )
        end = next((i for i, start in enumerate(starts) if start >= len(self._text)), count)
        begin = next((i for i, start in enumerate(starts) if start >= self._begin), end)
        if begin and starts[begin] > self._begin:
            begin -= 1  # a token that belongs to both
        return begin, end


def encoded(context: str, continuation: str, tokenizer: Tokenizer) -> tuple[list[int], int]:
    """The tokens of both, cut on the left, and how many of them are the context's."""
    if context:
        whole, first = tokenizer.encode(context + continuation), tokenizer.encode(context)
    else:
        rest = tokenizer.encode(continuation)
        prefix = tokenizer.prefix
        before = [] if prefix is None or rest[:1] == [prefix] else [prefix]
        whole = [*before, *rest]
        first = whole[:1]
    return whole[-LENGTH:], len(first) - max(0, len(whole) - LENGTH)
