"""Models as lm-eval sees them: it asks them nothing by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lm_eval.api.model import LM

from evald.harness.tokens import Tokenizer


class Chat(NamedTuple):
    """A conversation in JSON, where lm-eval has a text."""

    prompt: str


class Built(Exception):
    """All requests are built."""


class Model(LM):  # type: ignore[misc]
    """A model that is asked elsewhere."""

    def __init__(self, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    @property
    def tokenizer_name(self) -> str:
        return ""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> Any:
        if self._tokenizer is not None:
            return self._tokenizer.chat(chat_history, begin=add_generation_prompt)
        return Chat(json.dumps(chat_history, ensure_ascii=False))

    def generate_until(self, requests: list[Any]) -> list[Any]:
        return self._answer(requests)

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        return self._answer(requests)

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        return self._answer(requests)

    def _answer(self, requests: list[Any]) -> list[Any]:
        raise NotImplementedError


class Collector(Model):
    """Stops lm-eval once it has built its requests, by raising Built."""

    def _answer(self, requests: list[Any]) -> list[Any]:
        raise Built


class Recall(Model):
    """Gives the answers that are there already, by the identity of their request."""

    def __init__(self, answers: Mapping[int, Sequence[Any]]) -> None:
        super().__init__()
        self._answers: dict[int, Iterator[Any]] = {k: iter(v) for k, v in answers.items()}

    def _answer(self, requests: list[Any]) -> list[Any]:
        return [next(self._answers[id(request)]) for request in requests]
