"""1,000 chats with 64 in flight: through the whole service, by bare aiohttp, and by lm-eval."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.model_client import endpoint
from benchmarks.shared import Document, Rest, chat, judged, model, put, service, table, write_rows

CHATS = 1000
PARALLELISM = 64
RUNS = 5
FAST, SLOW = 0.05, 0.3
POLL_SECONDS = 0.1
LM_EVAL_SECONDS = 180

WHO = (
    "samples x latency / parallelism",
    "bare aiohttp",
    "evald, create to completed",
    "lm-eval, whole call",
    "lm-eval, without its tasks' index",
)


def rows() -> list[Document]:
    """Prompts that the endpoint repeats, all but each tenth as they should be."""
    prompts = [f"What is the capital of country number {i}?" for i in range(CHATS)]
    return [
        {"prompt": prompt, "ideal_response": prompt if i % 10 else "something else"}
        for i, prompt in enumerate(prompts)
    ]


async def bare(url: str, asked: list[Document]) -> float:
    """Asks and checks as one would in a script: without retries, limits, or keeping anything."""
    left: Iterator[Document] = iter(asked)
    right = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal right
        for row in left:
            message = {"role": "user", "content": row["prompt"]}
            request = {"model": "m", "messages": [message]}
            async with session.post(f"{url}/chat/completions", json=request) as response:
                document: dict[str, Any] = await response.json()
            text = document["choices"][0]["message"]["content"]
            right += text == row["ideal_response"]

    connector = aiohttp.TCPConnector(limit=PARALLELISM)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(work(session) for _ in range(PARALLELISM)))
    return right / len(asked)


def by_aiohttp(url: str, asked: list[Document]) -> float:
    """Seconds that bare aiohttp takes."""
    began = time.perf_counter()
    score = asyncio.run(bare(url, asked))
    seconds = time.perf_counter() - began
    check(score)
    return seconds


def by_evald(rest: Rest, url: str, dataset: Document) -> float:
    """Seconds from create to completed over REST."""
    config = chat(dataset, parallelism=PARALLELISM, max_tokens=64)
    ended = rest.run(model(url), config, every=POLL_SECONDS)
    metrics = rest.result(ended)["tasks"]["qa"]["metrics"]
    check(metrics["match"]["scores"]["string-check"]["value"])
    return ended.completed


def by_lm_eval(url: str, path: Path) -> tuple[float, float]:
    """Seconds of lm-eval's whole call, and of the evaluation in it."""
    script = Path(__file__).with_name("lm_eval_chat.py")
    settings = {"HF_HOME": str(path.parent), "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        [sys.executable, script, path, url, str(PARALLELISM)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=LM_EVAL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"lm-eval failed:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    check(said["score"])
    return said["whole"], said["evaluation"]


def check(score: float) -> None:
    """Whoever is measured must have done the work."""
    if abs(score - 0.9) > 1e-9:
        raise RuntimeError(f"the score is {score}, not 0.9")


def main() -> None:
    """Prints seconds and ratios for an endpoint that is fast, then for a slow one."""
    asked = rows()
    with tempfile.TemporaryDirectory() as folder, service() as running:
        rest = Rest(running)
        dataset = put(running, "chats", asked)
        path = write_rows(Path(folder) / "chats.jsonl", asked)
        with endpoint(FAST) as url:
            by_aiohttp(url, asked)
            by_evald(rest, url, dataset)
            runs = []
            for _ in range(RUNS):
                runs.append([by_aiohttp(url, asked), by_evald(rest, url, dataset)])
                runs[-1] += by_lm_eval(url, path)
        with endpoint(SLOW) as url:
            slow = [by_evald(rest, url, dataset) for _ in range(RUNS)]

    print(f"{CHATS} chats, {PARALLELISM} in flight, {RUNS} runs in turns")
    ideal = {seconds: CHATS * seconds / PARALLELISM for seconds in (FAST, SLOW)}
    columns = [[ideal[FAST]], *map(list, zip(*runs, strict=True))]
    aiohttp_seconds = statistics.median(columns[1])
    table(
        [f"endpoint at {FAST * 1000:g} ms", "median", "least", "most", "/ bare aiohttp"],
        [
            [name, *(f"{s:.2f} s" for s in (middle, min(column), max(column))), f"{ratio:.2f}"]
            for name, column in zip(WHO, columns, strict=False)
            for middle in [statistics.median(column)]
            for ratio in [middle / aiohttp_seconds]
        ],
    )
    judged("evald / bare aiohttp", statistics.median(ours / bare for bare, ours, *_ in runs), 1.3)
    ratio = statistics.median(ours / whole for _, ours, whole, _ in runs)
    judged("evald / lm-eval's whole call", ratio, 0.25)
    middle = statistics.median(slow)
    print(f"endpoint at {SLOW * 1000:g} ms: evald {middle:.2f} s, of {ideal[SLOW]:.2f} s")
    judged("evald / (samples x latency / parallelism)", middle / ideal[SLOW], 1.1)


if __name__ == "__main__":
    main()
