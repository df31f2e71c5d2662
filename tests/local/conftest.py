"""A small checkpoint, and what transformers itself makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoint import checkpoint

Generate = Callable[..., list[int]]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tests run in several processes at once already."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights, with a tokenizer and a chat template."""
    return checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture
def generate() -> Callable[[Path], Generate]:
    """`generate(folder)(tokens, most, **options)`: what transformers' own `generate` adds, without
    the token that ends it."""

    def load(folder: Path) -> Generate:
        import torch
        import transformers

        model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

        def write(tokens: Sequence[int], most: int, **options: Any) -> list[int]:
            found = model.generate(
                torch.tensor([tokens]),
                attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
                max_new_tokens=most,
                pad_token_id=0,
                **{"do_sample": False, **options},
            )
            written = found[0].tolist()[len(tokens) :]
            ends = model.generation_config.eos_token_id
            return written[:-1] if written and written[-1] == ends else written

        return write

    return load
