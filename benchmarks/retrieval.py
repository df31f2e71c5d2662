"""10,000 documents are embedded and indexed, and 1,000 queries searched for: by a retriever job,
and by a script that asks the same endpoint by bare aiohttp, and milvus-lite."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import beir
from benchmarks.shared import Rest, judged, service, table
from tests.endpoint import Endpoint, bags_of_words

DOCUMENTS = 10_000
QUERIES = 1_000
BATCH = 32
PARALLELISM = 16
SIZE = 384
RUNS = 3
GOAL = 1.2
POLL_SECONDS = 0.05


def embeddings(request: Mapping[str, Any]) -> dict[str, Any]:
    return bags_of_words(request, SIZE)


def text(number: int, words: int) -> str:
    """Words that differ from one number to the next."""
    return " ".join(f"w{(number * 7919 + i * 104_729) % 5003}" for i in range(words))


def documents() -> Iterator[dict[str, str]]:
    return ({"_id": f"d{i}", "title": "", "text": text(i, 40)} for i in range(DOCUMENTS))


def queries() -> Iterator[dict[str, str]]:
    return ({"_id": f"q{i}", "text": text(i * 10, 8)} for i in range(QUERIES))


async def direct(folder: Path, url: str) -> dict[str, float]:
    """The same without anything of evald, by bare aiohttp and pymilvus: seconds that indexing and
    searching take, and how many of the queries find their document. Python's start and imports do
    not count."""
    import aiohttp
    from pymilvus import DataType, MilvusClient

    began = time.perf_counter()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=PARALLELISM))
    milvus = MilvusClient(str(folder / "direct.db"))
    schema = milvus.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=512)
    schema.add_field("text", DataType.VARCHAR, max_length=65_535)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=SIZE)
    flat = milvus.prepare_index_params()
    flat.add_index("vector", index_type="FLAT", metric_type="COSINE")
    milvus.create_collection("documents", schema=schema, index_params=flat)
    slots = asyncio.Semaphore(PARALLELISM)

    async def embed(texts: list[str]) -> list[list[float]]:
        asked = {"model": "m", "input": texts, "encoding_format": "float"}
        async with session.post(f"{url}/embeddings", json=asked) as answer:
            answer.raise_for_status()
            document: dict[str, Any] = await answer.json()
            return [one["embedding"] for one in document["data"]]

    async def add(batch: list[Any]) -> None:
        async with slots:
            vectors = await embed([row["text"] for row in batch])
            rows = [
                {"id": row["_id"], "text": row["text"], "vector": vector}
                for row, vector in zip(batch, vectors, strict=True)
            ]
            await asyncio.to_thread(milvus.insert, "documents", rows)

    async def find(number: int, query: str) -> bool:
        async with slots:
            vectors = await embed([query])
            [hits] = await asyncio.to_thread(
                milvus.search, "documents", vectors, limit=beir.TOP_K, output_fields=["text"]
            )
            return f"d{number * 10}" in {hit["id"] for hit in hits}

    with (folder / "corpus.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    await asyncio.gather(*(add(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)))
    milvus.flush("documents")
    milvus.load_collection("documents")
    indexed = time.perf_counter()
    with (folder / "queries.jsonl").open() as lines:
        asked = [json.loads(line)["text"] for line in lines]
    found = await asyncio.gather(*(find(i, query) for i, query in enumerate(asked)))
    ended = time.perf_counter()
    await session.close()
    return {"indexing": indexed - began, "searching": ended - indexed, "found": sum(found)}


def main() -> None:
    """Prints the seconds of both, and their ratio."""
    with (
        tempfile.TemporaryDirectory() as name,
        Endpoint(more={"/embeddings": embeddings}, record=False) as endpoint,
        service() as running,
    ):
        folder = Path(name)
        beir.write(folder, documents(), queries(), {f"q{i}": f"d{i * 10}" for i in range(QUERIES)})
        beir.put(running, "retrieval", folder)
        target, config = beir.job("retrieval", endpoint.url, parallelism=PARALLELISM, batch=BATCH)
        rest = Rest(running)
        jobs, scripts = [], []
        for _ in range(RUNS):
            jobs.append(rest.run(target, config, every=POLL_SECONDS))
            asked = [sys.executable, "-m", "benchmarks.retrieval", name, endpoint.url]
            done = subprocess.run(asked, check=True, stdout=subprocess.PIPE)
            took = json.loads(done.stdout)
            scripts.append({**took, "whole": took["indexing"] + took["searching"]})
            (folder / "direct.db").rename(folder / f"direct-{len(scripts)}.db")
        scores = rest.result(jobs[-1])["tasks"]["find"]["metrics"]["retriever.recall_10"]["scores"]
    ours = min(job.seconds for job in jobs)
    theirs = min(scripts, key=lambda one: one["whole"])
    print(f"{DOCUMENTS} documents, {QUERIES} queries, {SIZE} dimensions, the best of {RUNS}")
    table(
        ["", "whole", "indexing", "searching", "recall_10"],
        [
            ["job", f"{ours:.1f} s", "", "", f"{scores['recall_10']['value']:.3f}"],
            [
                "script",
                *(f"{theirs[part]:.1f} s" for part in ("whole", "indexing", "searching")),
                f"{theirs['found'] / QUERIES:.3f}",
            ],
        ],
    )
    judged("job over script", ours / theirs["whole"], GOAL)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(asyncio.run(direct(Path(sys.argv[1]), sys.argv[2]))))
    else:
        main()
