"""What benchmarks of the whole service share: jobs over REST, data sets, and tables."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests.service import Service

JOB_SECONDS = 900
"""A job that takes longer is given up, unless more is said."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A completed job. `began` is when it was asked for, `seconds` how long it took from then until
    an answer said that it was completed."""

    job: Document
    began: float
    seconds: float

    @property
    def completed(self) -> float:
        """Seconds until it was completed, whenever one asked: server and client share a clock."""
        at = datetime.fromisoformat(self.job["state_history"][-1]["at"]).replace(tzinfo=UTC)
        return at.timestamp() - self.began

    def between(self, first: str, last: str) -> float:
        """Seconds from one state to another, by the server's clock."""
        at = {s["status"]: datetime.fromisoformat(s["at"]) for s in self.job["state_history"]}
        return (at[last] - at[first]).total_seconds()


class Rest:
    """Runs jobs over the REST surface of a service."""

    def __init__(self, service: Service) -> None:
        self._base = f"{service.rest}/v1/evaluation"
        self._session = requests.Session()

    def run(
        self, target: Document, config: Document, *, every: float, limit: float = JOB_SECONDS
    ) -> Ended:
        """Creates a job and polls it `every` so many seconds until it is completed; one that takes
        longer than `limit` seconds is given up."""
        began = time.time()
        job = self.create(target, config)
        while job["status"] != "completed":
            if job["status"] in {"failed", "cancelled"} or time.time() - began > limit:
                raise RuntimeError(f"the job did not complete: {job}")
            time.sleep(every)
            job = self.get(job["id"])
        return Ended(job, began, time.time() - began)

    def create(self, target: Document, config: Document) -> Any:
        """Creates a job and answers it."""
        return self._call("POST", "/jobs", json={"target": target, "config": config})

    def live(self, target: Document, config: Document) -> Any:
        """Evaluates at once and answers what was found."""
        found = self._call("POST", "/live", json={"target": target, "config": config})
        if found["status"] != "completed":
            raise RuntimeError(f"the evaluation did not complete: {found}")
        return found

    def get(self, job_id: str) -> Any:
        """Answers a job."""
        return self._call("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> None:
        self._call("POST", f"/jobs/{job_id}/cancel")

    def result(self, ended: Ended) -> Any:
        return self._call("GET", f"/jobs/{ended.job['id']}/results")

    def download(self, ended: Ended) -> int:
        """Downloads the files of a job; answers how many bytes they are."""
        url = f"{self._base}/jobs/{ended.job['id']}/download-results"
        with self._session.get(url, stream=True, timeout=JOB_SECONDS) as answer:
            answer.raise_for_status()
            return sum(len(part) for part in answer.iter_content(2**16))

    def _call(self, method: str, path: str, **given: Any) -> Any:
        answer = self._session.request(method, self._base + path, timeout=60, **given)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()


@contextmanager
def service() -> Iterator[Service]:
    """A new service on an empty data dir."""
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder) / "data") as running:
        yield running


def write_rows(path: Path, rows: Iterable[Document]) -> Path:
    """Writes a JSONL file."""
    with path.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def put(service: Service, name: str, rows: Iterable[Document]) -> Document:
    """Puts rows into the embedded store; answers the data set."""
    path = write_rows(service.data_dir.parent / f"{name}.jsonl", rows)
    service.run("datasets", "put", f"bench/{name}", str(path))
    path.unlink()
    return {"files_url": f"hf://datasets/bench/{name}"}


def model(url: str) -> Document:
    """The target of an endpoint."""
    return {"type": "model", "model": {"api_endpoint": {"url": url, "model_id": "m"}}}


def custom(task: Document, **params: Any) -> Document:
    """A custom config with one task, whose answers must equal what the rows say."""
    check = ["{{sample.output_text}}", "equals", "{{item.ideal_response}}"]
    if task["type"] == "data":
        check[0] = "{{item.answer}}"
    metrics = {"match": {"type": "string-check", "params": {"check": check}}}
    return {"type": "custom", "params": params, "tasks": {"qa": {**task, "metrics": metrics}}}


def chat(dataset: Document, **params: Any) -> Document:
    """A custom config that sends the prompt of each row as a chat."""
    template = {"messages": [{"role": "user", "content": "{{item.prompt}}"}]}
    task = {"type": "chat-completion", "dataset": dataset, "params": {"template": template}}
    return custom(task, **params)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of text in columns."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def judged(what: str, value: float, most: float, unit: str = "") -> None:
    """Prints a figure beside the most that it may be."""
    met = "met" if value <= most else "MISSED"
    print(f"{what}: {value:.3g}{unit}, at most {most:g}{unit}: {met}")
