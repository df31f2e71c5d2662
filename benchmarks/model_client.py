"""The model client beside bare aiohttp: the same chats, to the same endpoint, in one run."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from evald.clients.model import ModelClients
from evald.settings import ClientSettings

CHATS = 1000
PARALLELISM = 64
LATENCY = 0.05
RUNS = 3

REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": "What is the capital of France? " * 4}],
    "max_tokens": 64,
}

Run = Callable[[str], Awaitable[None]]


@contextmanager
def endpoint(latency: float = LATENCY) -> Iterator[str]:
    """URL of an endpoint that answers after `latency` seconds, in a process of its own."""
    command = [sys.executable, "-m", "tests.endpoint", "--latency", str(latency)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def bare(url: str) -> None:
    """What one would write with aiohttp alone."""
    free = asyncio.Semaphore(PARALLELISM)
    connector = aiohttp.TCPConnector(limit=PARALLELISM)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask() -> str:
            async with free, session.post(f"{url}/chat/completions", json=REQUEST) as response:
                document: dict[str, Any] = await response.json()
                return str(document["choices"][0]["message"]["content"])

        await asyncio.gather(*(ask() for _ in range(CHATS)))


async def ours(url: str) -> None:
    """The same through the client of models."""
    settings = ClientSettings(data_dir=Path(tempfile.gettempdir()))
    params = {"parallelism": PARALLELISM}
    model = {"api_endpoint": {"url": url, "model_id": "m"}}
    async with ModelClients(settings).open(model, params) as client:
        await asyncio.gather(*(client.ask(REQUEST) for _ in range(CHATS)))


def timed(run: Run, url: str) -> tuple[float, float]:
    """Seconds by the clock, and of CPU, that a run takes."""
    began, worked = time.perf_counter(), time.process_time()
    asyncio.run(run(url))  # type: ignore[arg-type]
    return time.perf_counter() - began, time.process_time() - worked


def measure(latency: float) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Runs of bare aiohttp and of ours, in turns."""
    pairs = []
    with endpoint(latency) as url:
        timed(bare, url)
        timed(ours, url)
        for _ in range(RUNS):
            pairs.append((timed(bare, url), timed(ours, url)))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main() -> None:
    """Prints wall time as a ratio, and CPU per request beyond aiohttp."""
    ideal = CHATS * LATENCY / PARALLELISM
    theirs, mine = measure(LATENCY)
    wall_bare, wall_ours = (statistics.median(w for w, _ in runs) for runs in (theirs, mine))
    print(f"{CHATS} chats, {PARALLELISM} in flight, endpoint at {LATENCY * 1000:g} ms")
    print(f"  ideal {ideal:.3f} s, bare aiohttp {wall_bare:.3f} s, evald {wall_ours:.3f} s")
    print(f"  evald / bare aiohttp: {wall_ours / wall_bare:.2f} (goal: at most 1.10)")
    theirs, mine = measure(0.0)
    cpu_bare, cpu_ours = (statistics.median(c for _, c in runs) / CHATS for runs in (theirs, mine))
    print("CPU per request, endpoint that answers at once")
    print(f"  bare aiohttp {cpu_bare * 1e3:.3f} ms, evald {cpu_ours * 1e3:.3f} ms")
    print(f"  beyond bare aiohttp: {(cpu_ours - cpu_bare) * 1e3:+.3f} ms (goal: at most 0.1)")


if __name__ == "__main__":
    main()
