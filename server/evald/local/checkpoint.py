"""A model that writes, loaded from a folder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from evald.local import loading
from evald.local.folder import wrong

CHANGEABLE = frozenset({"full_attention", "sliding_attention", "chunked_attention"})
"""Kinds of layers whose keys and values can be put together with those of other texts."""

DEFAULTS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What of a model's own generation config goes for requests that say nothing of it."""


class Checkpoint:
    """A causal language model and its tokenizer.

    `precision` is an artifact's. Raises EvaluationError of kind `model` when it cannot be had.
    """

    def __init__(self, folder: Path, *, precision: str | None = None) -> None:
        self._model = loading.model(folder, "AutoModelForCausalLM", precision)
        self._tokenizer = loading.tokenizer(folder)
        self._takes = set(inspect.signature(self._model.forward).parameters)
        if "past_key_values" not in self._takes or self._model.config.is_encoder_decoder:
            raise wrong(
                f"{type(self._model).__name__} does not go on from what it has read, as evald's "
                "engine needs it: serve it, and give api_endpoint"
            )
        self.device: Any = self._model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> str:
        """Of its weights, such as `bfloat16`."""
        return str(self._model.dtype).removeprefix("torch.")

    @cached_property
    def alone(self) -> bool:
        """Whether it writes one text at a time: it has layers that keep a state of another kind."""
        # Some work them out: such are no part of what the config is written as.
        config = self._model.config.get_text_config(decoder=True)
        return not set(getattr(config, "layer_types", None) or ()) <= CHANGEABLE

    @cached_property
    def vocabulary(self) -> int:
        """Number of its tokens."""
        return int(self._model.get_output_embeddings().weight.shape[0])

    @cached_property
    def context(self) -> int:
        """Tokens of the longest text."""
        known = [self._text_config.get(k) for k in ("max_position_embeddings", "n_positions")]
        return min((int(n) for n in known if n), default=2**31)

    @cached_property
    def ends(self) -> frozenset[int]:
        """Tokens that end a text."""
        named = self._model.generation_config.eos_token_id
        listed = named if isinstance(named, list) else [named]
        return frozenset(t for t in [*listed, self._tokenizer.eos_token_id] if t is not None)

    @property
    def pad(self) -> int:
        """A token to fill up with; it is never looked at."""
        pad = self._tokenizer.pad_token_id
        return int(pad) if pad is not None else 0

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """How it chooses tokens unless a request says so."""
        config = self._model.generation_config
        found = {name: getattr(config, name, None) for name in DEFAULTS}
        return {name: value for name, value in found.items() if value is not None}

    def cache(self) -> Any:
        """Room for what it keeps of texts, empty."""
        from transformers import DynamicCache

        # Of layers with a window all is kept, so that rows can be put together; masks hide it.
        return DynamicCache(config=self._model.config) if self.alone else DynamicCache()

    def forward(self, ids: Any, mask: Any, position: Any, cache: Any, *, every: bool) -> Any:
        """Logits [rows, 1, vocabulary] after the last tokens of ids [rows, tokens], or those at
        `every` place. What it keeps of them is added to the cache."""
        given = {"position_ids": position, "logits_to_keep": 0 if every else 1, "use_cache": True}
        return self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            **{name: value for name, value in given.items() if name in self._takes},
        ).logits

    def tokens(self, text: str, *, special: bool) -> list[int]:
        """The tokens of a text, with those that the tokenizer puts around one if `special`."""
        return list(self._tokenizer(text, add_special_tokens=special).input_ids)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """What each token adds to the text; of several that make up one letter, the last has it."""
        pieces, begun = [], 0
        for end in range(1, len(tokens) + 1):
            before = self._whole(tokens[max(0, begun - 4) : begun])
            text = self._whole(tokens[max(0, begun - 4) : end])
            if text.endswith("\N{REPLACEMENT CHARACTER}") and end - begun < 4 and end < len(tokens):
                pieces.append("")
                continue
            pieces.append(text[len(before) :])
            begun = end
        return pieces

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        options: Mapping[str, Any],
    ) -> list[int]:
        """The tokens of a conversation that the model is to go on with. Raises ValueError when its
        template cannot write that."""
        if not self._tokenizer.chat_template:
            raise ValueError(
                "the tokenizer of model.artifact has no chat template: ask for completions (a "
                "template that gives a `prompt`, or params.extra.model_type completions), or add a "
                "chat_template.jinja to its folder"
            )
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                list(messages), tools=tools, add_generation_prompt=True, tokenize=False, **options
            )
        except (TemplateError, TypeError, KeyError, IndexError) as e:
            raise ValueError(f"the model's chat template does not take this chat: {e}") from e
        return self.tokens(text, special=False)

    def close(self) -> None:
        """Frees its memory, on GPUs too. It can be used no more."""
        del self._model
        loading.free()

    def _whole(self, tokens: Sequence[int]) -> str:
        return str(
            self._tokenizer.decode(
                list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    @cached_property
    def _text_config(self) -> Mapping[str, Any]:
        config: Mapping[str, Any] = self._model.config.get_text_config(decoder=True).to_dict()
        return config
