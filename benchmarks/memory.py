"""Peak memory of server and child, for few rows and for many, each on a new service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.model_client import endpoint
from benchmarks.shared import Document, Rest, chat, custom, judged, model, put, service, table
from tests.service import Service

DATA_ROWS = (10_000, 200_000)
CHATS = (2_000, 20_000)
GOAL_MB = 100
POLL_SECONDS = 0.25

Peaks = dict[str, float]


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Rows of some 300 bytes."""
    for i in range(count):
        prompt = f"Question {i}: {'what is said here is only there to take up room. ' * 4}"
        yield {"prompt": prompt, "answer": f"answer {i}", "ideal_response": f"answer {i - i % 2}"}


def peaks(running: Service) -> Peaks:
    """The most memory, in MB, that the server and its children have held so far."""
    children = [
        int(pid)
        for task in Path(f"/proc/{running.pid}/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]
    flows = [pid for pid in children if b"evald.executor.child" in command(pid)]
    return {"server": peak(running.pid), "child": max(map(peak, flows))}


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def peak(pid: int) -> float:
    """The most memory that a process has held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def data_job(count: int) -> tuple[Peaks, float]:
    """Peaks and seconds of a job whose rows have their answers, download of the files included."""
    with service() as running:
        target = {"type": "dataset", "dataset": put(running, "rows", rows(count))}
        return run(running, target, custom({"type": "data"}))


def chat_job(count: int) -> tuple[Peaks, float]:
    """The same of a job that asks a model."""
    with service() as running, endpoint(0) as url:
        config = chat(put(running, "rows", rows(count)), parallelism=64)
        return run(running, model(url), config)


def run(running: Service, target: Document, config: Document) -> tuple[Peaks, float]:
    rest = Rest(running)
    ended = rest.run(target, config, every=POLL_SECONDS)
    rest.download(ended)
    return peaks(running), ended.seconds


def main() -> None:
    """Prints the peaks and how they grow."""
    for name, job, counts in (("data", data_job, DATA_ROWS), ("chat", chat_job, CHATS)):
        few, many = (job(count) for count in counts)
        print(f"{name} job, peak memory in MB")
        table(
            ["rows", "server", "child", "seconds"],
            [
                [f"{count:,}", f"{held['server']:.0f}", f"{held['child']:.0f}", f"{seconds:.1f}"]
                for count, (held, seconds) in zip(counts, (few, many), strict=True)
            ],
        )
        for process in few[0]:
            growth = many[0][process] - few[0][process]
            judged(f"{process} grows by", growth, GOAL_MB, " MB")


if __name__ == "__main__":
    main()
