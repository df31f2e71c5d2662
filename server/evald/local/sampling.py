"""The next token of each row of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evald.local.ask import Choice, Row

LEAST = -9999.0
"""Stands for the logarithm of 0, which JSON does not know."""


def choose(rows: Sequence[Row], logits: Any) -> list[int]:
    """Chooses from logits [rows, vocabulary] as each row's sampling says.

    Penalties, temperature, top-k, top-p and min-p come in this order, as in transformers. A row
    draws one number from its own generator for each token, so what it writes does not depend on
    which others are in the batch.
    """
    import torch

    logits = logits.float()
    if any(row.ask.sampling.penalises for row in rows):
        logits = logits.clone()
        for row, values in zip(rows, logits, strict=True):
            _penalise(row, values)
    tokens = logits.argmax(-1)
    drawn = [i for i, row in enumerate(rows) if row.ask.sampling.temperature > 0]
    if drawn:
        index = torch.tensor(drawn, device=logits.device)
        tokens[index] = _draw([rows[i] for i in drawn], logits[index])
    return [int(token) for token in tokens.tolist()]


def choices(tokens: Sequence[int], logits: Any, top: int) -> list[Choice]:
    """What the model itself, before any sampling, says of tokens at places with logits [places,
    vocabulary]: the logarithms of their probabilities and of the `top` most probable."""
    import torch

    if not tokens:
        return []
    known = logits.float().log_softmax(-1).clamp(min=LEAST)
    place = torch.tensor(tokens, device=known.device)[:, None]
    own = known.gather(-1, place)[:, 0].tolist()
    best = known.topk(min(top, known.shape[-1]), dim=-1)
    listed = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [
        Choice(token, value, tuple(zip(names, values, strict=True)))
        for token, value, (names, values) in zip(tokens, own, listed, strict=True)
    ]


def _penalise(row: Row, values: Any) -> None:
    """Makes tokens that are there already less likely: by the repetition penalty of Keskar et al.,
    "CTRL" (2019), in prompt and answer, and as OpenAI's API has it in the answer alone."""
    import torch

    sampling = row.ask.sampling
    if sampling.repetition_penalty != 1.0:
        seen = torch.tensor(sorted(set(row.tokens)), device=values.device)
        there = values[seen]
        factor = sampling.repetition_penalty
        values[seen] = torch.where(there < 0, there * factor, there / factor)
    for token, count in Counter(row.written).items():
        values[token] -= count * sampling.frequency_penalty + sampling.presence_penalty


def _draw(rows: Sequence[Row], logits: Any) -> Any:
    """Draws by the inverse of each row's distribution function."""
    import torch

    def column(values: Sequence[float]) -> Any:
        return torch.tensor(values, dtype=torch.float32, device=logits.device)[:, None]

    samplings = [row.ask.sampling for row in rows]
    size = logits.shape[-1]
    scaled = logits / column([s.temperature for s in samplings])
    values, order = scaled.sort(descending=True, stable=True)
    rank = torch.arange(size, device=logits.device)
    most = column([s.top_k if s.top_k > 0 else size for s in samplings])
    shares = values.masked_fill(rank >= most, -torch.inf).softmax(-1)
    before = shares.cumsum(-1) - shares
    kept = (before < column([s.top_p for s in samplings])) | (rank == 0)
    kept &= shares >= column([s.min_p for s in samplings]) * shares[:, :1]
    mass = (shares * kept).cumsum(-1)
    point = column([row.random.random() for row in rows]) * mass[:, -1:]
    place = torch.searchsorted(mass, point, right=True).clamp(max=size - 1)
    # Rounding must not lead behind the last token that is kept.
    place = torch.minimum(place, (kept * rank).amax(-1, keepdim=True))
    return order.gather(-1, place)[:, 0]
