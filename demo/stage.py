"""What demos share: REST, what they print, and how they begin and end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import requests

from demo.served import ROOT
from evald.errors import Unavailable
from evald.worker import Worker
from tests.service import Service

FOLDER = ROOT / ".evald-demo"
NAMESPACE = "demo"
ENDED = {"completed", "failed", "cancelled"}
JOB_SECONDS = 600
LOG_LINES = 5


class DemoError(Exception):
    """Something went wrong; the message says what, and what to look at."""


class Rest:
    """evald's REST surface."""

    def __init__(self, service: Service) -> None:
        self._base = f"{service.rest}/v1/evaluation"

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        return self.fetch(method, path, body).json()

    def fetch(self, method: str, path: str, body: object = None) -> requests.Response:
        answer = requests.request(method, self._base + path, json=body, timeout=60)
        if not answer.ok:
            raise DemoError(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer

    def finish(self, job_id: str) -> None:
        """Shows a job's progress until it has ended. Raises DemoError unless it completed."""
        deadline = time.monotonic() + JOB_SECONDS
        shown = ""
        while True:
            job = self("GET", f"/jobs/{job_id}")
            details = self("GET", f"/jobs/{job_id}/status")
            line = f"{job['status']:<10}{details.get('progress') or 0:6.1f} %"
            if line != shown:
                say(line, same_line=sys.stdout.isatty())
                shown = line
            if job["status"] in ENDED:
                break
            if time.monotonic() > deadline:
                raise DemoError(f"job {job_id} did not end within {JOB_SECONDS} s")
            time.sleep(0.5)
        if sys.stdout.isatty():
            print()
        if job["status"] != "completed":
            why = (job.get("error") or {}).get("message", "no cause was given")
            raise DemoError(f"job {job_id} {job['status']}: {why}")


def perform(run: Callable[[Path], None], folder: Path) -> None:
    """Runs a demo in a folder of its own; ends with status 1 and a message when something goes
    wrong."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    start = time.monotonic()
    try:
        clear(folder)
        run(folder)
    except KeyboardInterrupt:
        sys.exit("\ndemo: interrupted; everything that it started has been stopped")
    except RuntimeError as e:  # of a start, with its log
        sys.exit(f"\ndemo: {e}")
    except (DemoError, OSError, subprocess.SubprocessError, grpc.RpcError) as e:
        sys.exit(f"\ndemo: {e}\n{ends_of_logs(folder)}")
    print(
        f"\nDone in {time.monotonic() - start:.1f} s; everything that was started has been stopped."
    )


def clear(folder: Path) -> None:
    """Removes what the last demo left. Raises RuntimeError while an evald runs on it."""
    if folder.exists():
        try:
            Worker(folder).close()
        except Unavailable as e:
            raise RuntimeError(f"an evald runs on {shown(folder)}; end it first") from e
        shutil.rmtree(folder)
    folder.mkdir()


def put(service: Service, name: str, file: Path) -> str:
    """Stores a file as a data set and answers its URL."""
    return service.run("datasets", "put", f"{NAMESPACE}/{name}", str(file))


def show_scores(task: Mapping[str, Any]) -> None:
    """Shows the scores of a task."""
    wide = max(map(len, task["metrics"])) + 2
    say(f"{'metric':<{wide}}{'score':<20}{'value':>9}{'stderr':>9}{'samples':>9}")
    for name, metric in sorted(task["metrics"].items()):
        for score, found in sorted(metric["scores"].items()):
            stats = found.get("stats") or {}
            error = f"{stats['stderr']:9.4f}" if "stderr" in stats else " " * 9
            count = f"{stats['count']:9}" if "count" in stats else ""
            say(f"{name:<{wide}}{score:<20}{found['value']:9.4f}{error}{count}")


def ends_of_logs(folder: Path) -> str:
    """The last lines of each log."""
    ends = []
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        ends.append("\n  ".join([f"The end of {shown(log)}:", *lines]))
    return "\n".join(ends)


@contextmanager
def phase(title: str) -> Iterator[None]:
    """Says what is done, and how long it took."""
    print(f"\n{title}", flush=True)
    start = time.monotonic()
    yield
    say(f"({time.monotonic() - start:.1f} s)")


def say(text: str, *, same_line: bool = False) -> None:
    print(
        f"\r  {text}" if same_line else textwrap.indent(text, "  "), end="" if same_line else "\n"
    )
    sys.stdout.flush()


def shown(path: Path) -> str:
    """A path as messages show it: from the project's root when it lies there."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
