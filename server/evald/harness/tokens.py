"""Tokenizers that a config names, as lm-eval uses them."""

from __future__ import annotations

from typing import Any, Protocol

from evald.errors import EvaluationError
from evald.harness import library


class Tokenizer(Protocol):
    """Turns texts into tokens, and conversations into texts."""

    def encode(self, text: str) -> list[int]: ...

    @property
    def prefix(self) -> int | None:
        """The token that stands before a text which has none before it."""

    def chat(self, messages: list[dict[str, str]], *, begin: bool) -> str:
        """A conversation as the model reads it; its answer is to `begin` or goes on."""


class HuggingFace:
    """A tokenizer of a model on the Hugging Face Hub, or in a folder."""

    def __init__(self, name: str, token: str | None) -> None:
        transformers = library.module("transformers")
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, token=token)
        except Exception as e:
            said = " ".join(str(e).split())[:300]
            raise EvaluationError(
                "flow", f"params.extra.tokenizer: {name} cannot be read: {type(e).__name__}: {said}"
            ) from e

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    @property
    def prefix(self) -> int | None:
        bos: int | None = self._tokenizer.bos_token_id
        return bos if bos is not None else self._tokenizer.eos_token_id

    def chat(self, messages: list[dict[str, str]], *, begin: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=begin,
                continue_final_message=not begin,
            )
        )


class Tiktoken:
    """One of OpenAI's tokenizers, by its model or its own name."""

    def __init__(self, name: str) -> None:
        tiktoken = library.module("tiktoken")
        try:
            known = name in tiktoken.list_encoding_names()
            self._tokenizer: Any = (
                tiktoken.get_encoding(name) if known else tiktoken.encoding_for_model(name)
            )
        except Exception as e:
            said = " ".join(str(e).split())[:300]
            raise EvaluationError(
                "flow", f"params.extra.tokenizer: {name} cannot be read: {type(e).__name__}: {said}"
            ) from e

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text))

    @property
    def prefix(self) -> int | None:
        return int(self._tokenizer.eot_token)

    def chat(self, messages: list[dict[str, str]], *, begin: bool) -> str:
        raise EvaluationError(
            "flow", "tiktoken has no chat templates: ask for chats, model_type chat"
        )


def tokenizer_of(backend: str | None, name: str, token: str | None) -> Tokenizer:
    """Raises EvaluationError of kind `flow` when it cannot be had."""
    return Tiktoken(name) if backend == "tiktoken" else HuggingFace(name, token)
