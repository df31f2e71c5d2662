"""Rows that a model writes together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evald.errors import EvaluationError
from evald.local.ask import LENGTH, STOP, Choice, Row
from evald.local.checkpoint import Checkpoint
from evald.local.sampling import choices, choose

TAIL = 8
"""Tokens that are looked at for a stop word, beside one for each of its letters: some tokens are
parts of letters, or none."""


class Batch:
    """Texts of different lengths, a token longer with each step, filled up on the left.

    Rows may join and leave at every step: what the model keeps of them (keys and values of its
    attention, [rows, heads, width, size] in each layer) is put together along the rows.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.rows: list[Row] = []
        self.size = 0.0
        """Bytes that are kept of a token, once that is known."""
        self._checkpoint = checkpoint
        self._cache: Any = None
        self._mask: Any = None

    @property
    def width(self) -> int:
        """Tokens of the longest row that are kept."""
        return 0 if self._mask is None else int(self._mask.shape[-1])

    def join(self, rows: Sequence[Row]) -> None:
        """Reads what rows hold and writes the next token of each; those that are not finished by
        it stay. Rows with logprobs of their prompts should come alone: all of their logits are made
        at once."""
        import torch

        width = max(row.length for row in rows)
        device = self._checkpoint.device
        filled = [[self._checkpoint.pad] * (width - row.length) + row.tokens for row in rows]
        ids = torch.tensor(filled, device=device)
        starts = torch.tensor([width - row.length for row in rows], device=device)
        mask = (torch.arange(width, device=device) >= starts[:, None]).long()
        cache = self._checkpoint.cache()
        every = any(row.unread for row in rows)
        position = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self._checkpoint.forward(ids, mask, position, cache, every=every)
        for row, values in zip(rows, logits, strict=True):
            if row.unread:
                _read(row, values[width - row.length :])
        self._write(rows, logits[:, -1])
        layers = _filled(cache)
        held = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
        self.size = held / (len(rows) * width)
        stay = [i for i, row in enumerate(rows) if not row.finish]
        if not stay:
            return
        mask = _kept(cache, mask, stay)
        if self.rows:
            cache, mask = _together(self._cache, self._mask, cache, mask)
        self._cache, self._mask = cache, mask
        self.rows += [rows[i] for i in stay]

    def step(self) -> None:
        """Writes the next token of each row."""
        import torch

        device = self._checkpoint.device
        ids = torch.tensor([[row.last] for row in self.rows], device=device)
        mask = torch.nn.functional.pad(self._mask, (0, 1), value=1)
        position = mask.sum(-1, keepdim=True) - 1
        logits = self._checkpoint.forward(ids, mask, position, self._cache, every=False)
        self._mask = mask
        self._write(self.rows, logits[:, -1])

    def leave(self, rows: Sequence[Row]) -> None:
        """Forgets rows."""
        stay = [i for i, row in enumerate(self.rows) if row not in rows]
        if len(stay) == len(self.rows):
            return
        self.rows = [self.rows[i] for i in stay]
        if not stay:
            self._cache = self._mask = None
            return
        self._mask = _kept(self._cache, self._mask, stay)

    def _write(self, rows: Sequence[Row], logits: Any) -> None:
        """Adds a token to each row, and says of those that it ends why."""
        if bool(logits.isnan().any()):
            raise EvaluationError(
                "model",
                "the model's outputs are not numbers: its weights are broken, or too great for "
                f"{self._checkpoint.dtype}; give artifact.precision bf16 or fp32",
            )
        for i, (row, token) in enumerate(zip(rows, choose(rows, logits), strict=True)):
            if row.ask.max_tokens == 0:
                row.finish = LENGTH
                continue
            if token in self._checkpoint.ends:
                row.finish = STOP
                continue
            if row.ask.logprobs is not None:
                row.told += choices([token], logits[i : i + 1], row.ask.logprobs)
            row.written.append(token)
            if row.ask.stop and self._stopped(row):
                row.finish = STOP
            elif len(row.written) >= row.ask.max_tokens:
                row.finish = LENGTH
        for row in rows:
            if row.finish and not row.text:
                row.text = _until(self._checkpoint.text(row.written), row.ask.stop)

    def _stopped(self, row: Row) -> bool:
        """Whether the last token has completed a stop word."""
        most = max(map(len, row.ask.stop)) + TAIL
        tail = self._checkpoint.text(row.written[-most:])
        if not any(word in tail for word in row.ask.stop):
            return False
        text = self._checkpoint.text(row.written)
        return any(word in text for word in row.ask.stop)


def _until(text: str, stop: Sequence[str]) -> str:
    """A text up to the first stop word in it."""
    return text[: min((at for word in stop if (at := text.find(word)) >= 0), default=len(text))]


def _read(row: Row, logits: Any) -> None:
    """Notes the logprobs of a row's prompt, from logits at each of its places."""
    prompt = list(row.ask.prompt)
    assert row.ask.logprobs is not None
    told = choices(prompt[1:], logits[: len(prompt) - 1], row.ask.logprobs)
    row.read = [Choice(prompt[0], None), *told]


def _filled(cache: Any) -> list[Any]:
    """The layers that keep keys and values; some share what another one keeps."""
    return [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]


def _kept(cache: Any, mask: Any, stay: Sequence[int]) -> Any:
    """Keeps some rows of a cache, and answers their mask; what fills up all of them goes."""
    import torch

    if len(stay) == len(mask):
        return mask
    mask = mask[list(stay)]
    spare = int(mask.any(0).int().argmax())
    for layer in _filled(cache):
        index = torch.tensor(stay, device=layer.keys.device)
        layer.keys = layer.keys[index, :, spare:]
        layer.values = layer.values[index, :, spare:]
    return mask[:, spare:]


def _together(ours: Any, our_mask: Any, theirs: Any, their_mask: Any) -> tuple[Any, Any]:
    """Two caches and their masks as one, which is the first."""
    import torch
    from torch.nn.functional import pad

    width = max(our_mask.shape[-1], their_mask.shape[-1])

    def filled(values: Any, own: int, below: int) -> Any:
        return pad(values, (0, 0) * below + (width - own, 0)) if width > own else values

    ends = our_mask.shape[-1], their_mask.shape[-1]
    for own, other in zip(_filled(ours), _filled(theirs), strict=True):
        for name in ("keys", "values"):
            pair = (getattr(own, name), getattr(other, name))
            parts = [filled(values, end, 1) for values, end in zip(pair, ends, strict=True)]
            setattr(own, name, torch.cat(parts))
    masks = [filled(m, end, 0) for m, end in zip((our_mask, their_mask), ends, strict=True)]
    return ours, torch.cat(masks)
