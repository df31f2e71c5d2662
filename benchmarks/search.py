"""Embeddings a second and exact searches a second, on a GPU where there is one: a checkpoint that a
job runs beside sentence-transformers, and the search of a job's vectors beside faiss.

sentence-transformers is measured where it is installed (`pip install --no-deps
sentence-transformers`).
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import judged, table
from evald.clients.vectorfile import VectorFile, unit
from evald.local.encoder import Encoder
from evald.vectors import Passage
from tests.checkpoint import tokenizer_of

Floats = NDArray[np.float32]
Clock = Callable[[], float]

SEED = 20261130
SIZES = {
    "cpu": {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    "cuda": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072},
}
"""All-MiniLM-L6's, and BERT-base's."""

TEXTS = {"cpu": 64, "cuda": 20_000}
BATCH = {"cpu": 16, "cuda": 256}
VECTORS = {"cpu": 50_000, "cuda": 1_000_000}
QUERIES = 256
TOP_K = 10
RUNS = 2


def main() -> None:
    """Prints both, and checks that all find the same."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    # Seconds of all CPUs, as nothing waits for anything there: other processes do not count.
    clock = time.perf_counter if device == "cuda" else time.process_time
    with tempfile.TemporaryDirectory() as temporary:
        embedding(Path(temporary) / "model", device, clock)
        with asyncio.Runner() as runner:
            searching(Path(temporary), device, clock, runner)


def embedding(folder: Path, device: str, clock: Clock) -> None:
    """Embeds the same texts in the same batches by both."""
    checkpoint(folder, device)
    draw = random.Random(SEED)
    words = [f"word{i}" for i in range(500)]
    texts = [" ".join(draw.choices(words, k=draw.randrange(4, 30))) for _ in range(TEXTS[device])]
    batches = [texts[i : i + BATCH[device]] for i in range(0, len(texts), BATCH[device])]
    encoder = Encoder(folder, precision="float32")
    own, seconds = best(lambda: [v for batch in batches for v in encoder.embed(batch)], clock)
    rows = [("a job's encoder", f"{len(texts) / seconds:,.0f}")]
    print(f"{len(texts)} texts in batches of {BATCH[device]} on {device}")
    if find_spec("sentence_transformers") is None:
        table(("who", "texts/s"), rows)
        print("sentence-transformers is not installed")
        return
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device=device)
    other, theirs = best(
        lambda: [v for batch in batches for v in model.encode(batch, batch_size=BATCH[device])],
        clock,
    )
    apart = float(np.abs(np.asarray(own) - np.asarray(other)).max())
    table(("who", "texts/s"), [*rows, ("sentence-transformers", f"{len(texts) / theirs:,.0f}")])
    judged("most that a number differs", apart, 1e-4)
    judged("a job's seconds / sentence-transformers'", seconds / theirs, 1.2)


def checkpoint(folder: Path, device: str) -> None:
    """Saves a random BERT as sentence-transformers does."""
    import torch
    import transformers

    tokenizer = tokenizer_of(None)
    torch.manual_seed(SEED)
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        num_attention_heads=12,
        pad_token_id=tokenizer.pad_token_id,
        **SIZES[device],
    )
    transformers.logging.disable_progress_bar()
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = SIZES[device]["hidden_size"]
    parts = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    documents = {
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (kind, path) in enumerate(parts)
        ],
        "sentence_bert_config.json": {"max_seq_length": 512},
        "1_Pooling/config.json": {
            "word_embedding_dimension": size,
            "pooling_mode_mean_tokens": True,
        },
    }
    for name, document in documents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(document))
    (folder / "2_Normalize").mkdir()


def searching(folder: Path, device: str, clock: Clock, runner: asyncio.Runner) -> None:
    """Finds the nearest of many vectors for some queries, in four ways."""
    import faiss
    import torch

    faiss.omp_set_num_threads(1 if device == "cpu" else faiss.omp_get_max_threads())
    draw = np.random.default_rng(SEED)
    size = SIZES[device]["hidden_size"]
    vectors = unit(draw.standard_normal((VECTORS[device], size), np.float32))
    asked = unit(draw.standard_normal((QUERIES, size), np.float32))
    flat = faiss.IndexFlatIP(size)
    flat.add(vectors)
    file = runner.run(filled(folder / "vectors", vectors))
    there, queries = (torch.from_numpy(one).to(device) for one in (vectors, asked))
    ways: dict[str, Callable[[], Any]] = {
        "a job's file": lambda: runner.run(by_file(file, asked)),
        "numpy, all in memory": lambda: nearest(asked @ vectors.T),
        f"torch on {device}": lambda: (queries @ there.T).topk(TOP_K).indices.cpu().numpy(),
        "faiss, flat": lambda: flat.search(asked, TOP_K)[1],
    }
    print(
        f"{QUERIES} queries at once, the nearest {TOP_K} of {len(vectors):,} in {size} dimensions"
    )
    found, seconds = {}, {}
    for who, way in ways.items():
        found[who], seconds[who] = best(way, clock)
    file.close()
    table(("who", "queries/s"), [(who, f"{QUERIES / took:,.0f}") for who, took in seconds.items()])
    missed = sum(
        len(set(map(int, a)) - set(map(int, b)))
        for other in found.values()
        for a, b in zip(found["faiss, flat"], other, strict=True)
    )
    judged("found by faiss and not by another", missed, 0)
    judged("a job's seconds / faiss's", seconds["a job's file"] / seconds["faiss, flat"], 1.5)


async def filled(path: Path, vectors: Floats) -> VectorFile:
    file = VectorFile(path)
    for start in range(0, len(vectors), 1000):
        rows = vectors[start : start + 1000]
        await file.add([Passage(str(start + i), "text") for i in range(len(rows))], rows)  # type: ignore[arg-type]
    return file


async def by_file(file: VectorFile, asked: Floats) -> list[list[int]]:
    found = await asyncio.gather(*(file.search(vector, TOP_K) for vector in asked))  # type: ignore[arg-type]
    return [[int(one.id) for one in hits] for hits in found]


def nearest(scores: Floats) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.argpartition(-scores, TOP_K, axis=1)[:, :TOP_K]
    return found


def best(run: Callable[[], Any], clock: Clock) -> tuple[Any, float]:
    """What a run answers, and the seconds of the fastest after a first one."""
    run()
    took = []
    for _ in range(RUNS):
        began = clock()
        answer = run()
        took.append(clock() - began)
    return answer, min(took)


if __name__ == "__main__":
    main()
