"""A model that turns texts into vectors, loaded from a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from evald.local import loading
from evald.local.folder import wrong

TOKENS = 2**14
"""Tokens, filled up ones included, that are read at once."""

LENGTH = 512
"""Of a text in tokens, where the model does not say how many it takes."""

MODULES = {"Transformer", "Pooling", "Normalize"}
"""Modules of sentence-transformers that are known here."""

POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
"""What the pooling of a folder that sentence-transformers saved is called there."""


class Encoder:
    """Embeds texts: the mean of the last layer's states at a text's tokens, of length 1.

    A folder that sentence-transformers saved says itself how states become a vector, and what goes
    before queries and passages. Raises EvaluationError of kind `model` when it cannot be had.
    """

    def __init__(self, folder: Path, *, precision: str | None = None) -> None:
        self._model = loading.model(folder, "AutoModel", precision)
        self._tokenizer = loading.tokenizer(folder)
        self._pooling = _pooling(folder)
        modules = _document(folder / "modules.json")
        kinds = {str(module.get("type")).rpartition(".")[2] for module in modules or ()}
        if foreign := sorted(kinds - MODULES):
            raise wrong(
                f"its module {foreign[0]} is not known here: serve it, and give api_endpoint"
            )
        self._normalizes = not modules or "Normalize" in kinds
        self._prompts: Mapping[str, str] = (
            _document(folder / "config_sentence_transformers.json") or {}
        ).get("prompts") or {}
        own = (_document(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
        known = self._positions()
        self._length = min(own or known, known, self._tokenizer.model_max_length)
        self._lock = Lock()

    def _positions(self) -> int:
        """Tokens of the longest text that it can read."""
        known = int(getattr(self._model.config, "max_position_embeddings", None) or LENGTH)
        for name, part in self._model.named_modules():
            if name.endswith("position_embeddings"):  # those up to padding's are no positions
                padding = getattr(part, "padding_idx", None)
                return known if padding is None else known - padding - 1
        return known

    def embed(self, texts: Sequence[str], kind: str | None = None) -> list[list[float]]:
        """A vector for each text; `kind` is `query` or `passage`. A text is cut at the model's
        length."""
        before = self._prompts.get(kind or "") or (
            self._prompts.get("document", "") if kind == "passage" else ""
        )
        tokens = [
            list(self._tokenizer(before + t, truncation=True, max_length=self._length).input_ids)
            for t in texts
        ]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        vectors: dict[int, list[float]] = {}
        with self._lock:
            while order:
                longest = max(1, len(tokens[order[-1]]))
                group = [order.pop() for _ in range(min(len(order), max(1, TOKENS // longest)))]
                vectors |= zip(group, self._read([tokens[i] for i in group]), strict=True)
        return [vectors[i] for i in range(len(texts))]

    def close(self) -> None:
        """Frees its memory, on GPUs too. It can be used no more."""
        with self._lock:
            del self._model
        loading.free()

    def _read(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        import torch

        device = self._model.get_input_embeddings().weight.device
        width = max(1, *map(len, rows))
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        mask = (torch.arange(width, device=device) < lengths[:, None]).long()
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            match self._pooling:
                case "cls":
                    vectors = states[:, 0]
                case "last":
                    vectors = states[torch.arange(len(rows), device=device), lengths - 1]
                case _:
                    vectors = (states * mask[:, :, None]).sum(1) / lengths[:, None].clamp(min=1)
            if self._normalizes:
                vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return [[float(value) for value in vector] for vector in vectors.tolist()]


def _pooling(folder: Path) -> str:
    config = _document(folder / "1_Pooling" / "config.json")
    if not config:
        return "mean"
    modes = [mode for mode, on in config.items() if mode.startswith("pooling_mode_") and on is True]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        shown = ", ".join(modes) or "of no kind"
        raise wrong(f"its pooling {shown} is not known here: serve it, and give api_endpoint")
    return POOLINGS[modes[0]]


def _document(path: Path) -> Any:
    """A JSON file; None if there is none."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as e:
        raise wrong(f"{path.name} is not JSON: {e}") from e
