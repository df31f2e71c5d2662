"""Peak memory of a retriever job's child, for few documents and for many, each on a new service.
The index is that of jobs without a Milvus server; an endpoint answers with vectors drawn before.
A million documents take some twenty minutes on two CPUs."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from aiohttp import web

from benchmarks import beir
from benchmarks.memory import peaks
from benchmarks.shared import Rest, judged, service, table

DOCUMENTS = (10_000, 100_000, 1_000_000)
QUERIES = 200
BATCH = 250
PARALLELISM = 8
SIZE = 384
"""Dimensions of a vector."""

DRAWN = 16
"""Different answers for each number of texts."""

GOAL_MB = 300
JOB_SECONDS = 3 * 60 * 60
POLL_SECONDS = 1.0


@cache
def answer(count: int, seed: int) -> bytes:
    """Vectors for `count` texts, as an endpoint says them."""
    draw = random.Random(f"{count} {seed}")
    vectors = [[round(draw.gauss(0, 1), 3) for _ in range(SIZE)] for _ in range(count)]
    data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    return json.dumps({"data": data, "model": "m"}).encode()


async def embeddings(request: web.Request) -> web.Response:
    texts = (await request.json())["input"]
    seed = sum(map(len, texts)) + sum(texts[0].encode())
    return web.Response(body=answer(len(texts), seed % DRAWN), content_type="application/json")


async def serve() -> None:
    """Says its port on standard output, and serves until it is killed."""
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/embeddings", embeddings)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def endpoint() -> Iterator[str]:
    """URL of the endpoint, which is in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.retrieval_memory", "serve"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def documents(count: int) -> Iterator[dict[str, str]]:
    """Documents of some 200 bytes."""
    for i in range(count):
        yield {"_id": f"document-{i}", "title": f"Title {i}", "text": f"{i} is {'a text, ' * 22}"}


def measured(url: str, count: int) -> tuple[float, float, float]:
    """Peaks of child and server in MB, and the seconds of the job."""
    with service() as running, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        queries = ({"_id": f"q{i}", "text": f"{i}?"} for i in range(QUERIES))
        found = {f"q{i}": f"document-{i}" for i in range(QUERIES)}
        beir.write(folder, documents(count), queries, found)
        beir.put(running, "many", folder)
        target, config = beir.job("many", url, parallelism=PARALLELISM, batch=BATCH)
        ended = Rest(running).run(target, config, every=POLL_SECONDS, limit=JOB_SECONDS)
        held = peaks(running)
        return held["child"], held["server"], ended.seconds


def main() -> None:
    """Prints the peaks, and by how much they grow."""
    with endpoint() as url:
        found = {count: measured(url, count) for count in DOCUMENTS}
    few, *_, many = found.values()
    print(f"{SIZE} dimensions, {QUERIES} queries, peak memory in MB")
    table(
        ["documents", "child", "/ the fewest", "server", "seconds"],
        [
            [f"{count:,}", f"{child:.0f}", f"{child / few[0]:.2f}", f"{server:.0f}", f"{took:.0f}"]
            for count, (child, server, took) in found.items()
        ],
    )
    judged("child grows by", many[0] - few[0], GOAL_MB, " MB")


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] else main()
