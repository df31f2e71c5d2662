"""Tokens a second that a job writes with a checkpoint, and transformers' own `generate`.

The model is random, and no token ends a text: prompts and answers have the lengths that are drawn.
`generate` gets one prompt at a time, or batches in their order, filled up on the left.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.shared import judged, table
from evald.clients.model import ModelClients
from evald.settings import Settings
from tests.checkpoint import checkpoint

SEED = 20261123
SIZES = {
    "cpu": {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 6},
    "cuda": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
}
"""About 7 million weights, and those of a Llama of a billion."""

REQUESTS = {"cpu": 48, "cuda": 512}
BATCH = {"cpu": 16, "cuda": 128}
"""Texts at once: `parallelism` of the job, and the batch that `generate` gets."""

ALONE = 8
"""Prompts that are given to `generate` one at a time."""

Ask = tuple[list[int], int]
Clock = Callable[[], float]


def main() -> None:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    # Seconds of one CPU, as nothing waits for anything there: other processes do not count.
    clock = time.perf_counter if device == "cuda" else time.process_time
    draw = random.Random(SEED)
    asks = [
        ([draw.randrange(3, 300) for _ in range(draw.randrange(16, 256))], draw.randrange(8, 96))
        for _ in range(REQUESTS[device])
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = checkpoint(
            Path(temporary) / "model", eos_token_id=None, initializer_range=0.02, **SIZES[device]
        )
        endless(folder)
        ours = asyncio.run(evald(folder, asks, BATCH[device], clock))
        alone, batched = by_transformers(folder, asks, BATCH[device], device, clock)
    rows = [
        ("a job", f"{BATCH[device]} at once", f"{ours:,.0f}"),
        ("generate", f"batches of {BATCH[device]}", f"{batched:,.0f}"),
        ("generate", "one at a time", f"{alone:,.0f}"),
    ]
    print(f"{len(asks)} prompts on {device}, one thread")
    table(("who", "how", "tokens/s"), rows)
    judged("batches of generate / a job", batched / ours, 1.0)


def endless(folder: Path) -> None:
    """Leaves no token that ends a text."""
    for name in ("tokenizer_config.json", "generation_config.json", "config.json"):
        document = json.loads((folder / name).read_text())
        document.update(dict.fromkeys({"eos_token", "eos_token_id"} & document.keys()))
        (folder / name).write_text(json.dumps(document))


async def evald(folder: Path, asks: list[Ask], parallelism: int, clock: Clock) -> float:
    """Tokens a second through the client, as a flow's."""
    settings = Settings(data_dir=folder.parent, file_roots=(str(folder),)).clients
    with ModelClients(settings) as models:
        model = {"artifact": {"files_url": f"file://{folder}"}}
        async with models.open(model, {"parallelism": parallelism}) as client:

            async def ask(prompt: list[int], most: int) -> int:
                request = {"prompt": prompt, "max_tokens": most, "temperature": 0}
                reply = await client.ask(request)
                return int(reply.response["usage"]["completion_tokens"])

            await ask(*asks[0])
            began = clock()
            written = await asyncio.gather(*(ask(*one) for one in asks))
            seconds = clock() - began
    assert sum(written) == sum(most for _, most in asks)
    return sum(written) / seconds


def by_transformers(
    folder: Path, asks: list[Ask], batch: int, device: str, clock: Clock
) -> tuple[float, float]:
    """Tokens a second of `generate`, of prompts alone and in batches; in a batch what is written
    beyond a prompt's own length does not count."""
    import torch
    import transformers

    warnings.simplefilter("ignore")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder).to(device).eval()

    def write(part: list[Ask]) -> None:
        width = max(len(prompt) for prompt, _ in part)
        ids = torch.tensor([[0] * (width - len(p)) + p for p, _ in part], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p, _ in part], device=device)
        most = max(most for _, most in part)
        model.generate(
            ids, attention_mask=mask, max_new_tokens=most, do_sample=False, pad_token_id=0
        )
        if device == "cuda":
            torch.cuda.synchronize()

    def rate(parts: list[list[Ask]]) -> float:
        write(parts[0][:1])
        began = clock()
        for part in parts:
            write(part)
        seconds = clock() - began
        return sum(most for part in parts for _, most in part) / seconds

    alone = rate([[ask] for ask in asks[:ALONE]])
    return alone, rate([asks[i : i + batch] for i in range(0, len(asks), batch)])
