"""1,000 chats with 64 in flight: through the whole service, by bare aiohttp, and by lm-eval."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
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
POLL_SECONDS = 0.02
LM_EVAL_SECONDS = 180

LM_EVAL = Path(__file__).parents[1] / ".venv-bench" / "bin" / "python"
"""Made by `make bench`."""


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
    return ended.seconds


def by_lm_eval(url: str, path: Path) -> float:
    """Seconds of lm-eval's whole call, its import not counted."""
    script = Path(__file__).with_name("lm_eval_chat.py")
    settings = {"HF_HOME": str(path.parent), "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    done = subprocess.run(
        [LM_EVAL, script, path, url, str(PARALLELISM)],
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
    return float(said["seconds"])


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
            theirs, ours, lm_eval = [], [], []
            for _ in range(RUNS):
                theirs.append(by_aiohttp(url, asked))
                ours.append(by_evald(rest, url, dataset))
                if LM_EVAL.exists():
                    lm_eval.append(by_lm_eval(url, path))
        with endpoint(SLOW) as url:
            slow = [by_evald(rest, url, dataset) for _ in range(RUNS)]

    print(f"{CHATS} chats, {PARALLELISM} in flight, medians of {RUNS} runs in turns")
    ideal = {s: CHATS * s / PARALLELISM for s in (FAST, SLOW)}
    measured = {
        "samples x latency / parallelism": [ideal[FAST]],
        "bare aiohttp": theirs,
        "evald, create to completed": ours,
        "lm-eval, whole call": lm_eval,
    }
    middle = {name: statistics.median(runs) for name, runs in measured.items() if runs}
    unit = middle["bare aiohttp"]
    table(
        [f"endpoint at {FAST * 1000:g} ms", "median", "least", "most", "/ bare aiohttp"],
        [
            [name, f"{m:.2f} s", f"{min(runs):.2f} s", f"{max(runs):.2f} s", f"{m / unit:.2f}"]
            for name, m in middle.items()
            for runs in [measured[name]]
        ],
    )
    evald = middle["evald, create to completed"]
    judged("evald / bare aiohttp", statistics.median(pairwise(ours, theirs)), 1.3)
    if lm_eval:
        judged("evald / lm-eval", statistics.median(pairwise(ours, lm_eval)), 0.25)
        print(f"evald is {middle['lm-eval, whole call'] / evald:.1f} times as fast as lm-eval")
    else:
        print("lm-eval is not there to compare with; `make bench` installs it")
    print(
        f"endpoint at {SLOW * 1000:g} ms: {statistics.median(slow):.2f} s, of {ideal[SLOW]:.2f} s"
    )
    judged("evald / (samples x latency / parallelism)", statistics.median(slow) / ideal[SLOW], 1.1)


def pairwise(ours: list[float], theirs: list[float]) -> list[float]:
    """Ratios of runs that stood side by side."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


if __name__ == "__main__":
    main()
