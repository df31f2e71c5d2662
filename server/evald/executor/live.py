"""Live evaluations: run in a child as jobs are, but at once, and nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

from evald.domain.datasets import with_files
from evald.domain.documents import Document
from evald.domain.live import INSTEAD, Outcome
from evald.domain.states import LAUNCH_FAILED, MESSAGES, JobStatus, leave_tasks
from evald.errors import DeadlineExceeded, EvaluationError, Unavailable
from evald.executor import events
from evald.executor.attempt import Vault
from evald.executor.backend import Backend, ChildDied, JobSpec, Run
from evald.executor.output import FULL, log_line
from evald.executor.standing import after, at_start
from evald.settings import ClientSettings

LOG_LIMIT = 2**20
"""Characters of all log lines of an evaluation; what comes later is left out."""


class Live:
    """Runs evaluations, each on the thread of whoever waits for it.

    `redaction` makes of documents what takes their secrets out of a text.
    """

    def __init__(
        self,
        backend: Backend,
        vault: Vault,
        redaction: Callable[..., Callable[[str], str]],
        clients: ClientSettings,
    ) -> None:
        self._backend = backend
        self._vault = vault
        self._redaction = redaction
        self._clients = clients

    def evaluate(self, job: Document, *, seconds: float, over: Event) -> Outcome:
        """Runs a job that is stored nowhere. Its child is ended after `seconds`, or when somebody
        sets `over`, which is set anyway when this returns.

        Raises DeadlineExceeded, or Unavailable when no child can be started.
        """
        ends = time.monotonic() + seconds
        report = Report(job["config"])
        try:
            report.redact = self._redaction(job["target"], job["config"])
            spec = self._spec(job)
        except EvaluationError as e:
            return report.failed({"kind": e.kind, "message": e.message}, LAUNCH_FAILED)
        run = self._backend.start(spec)
        guard = Thread(target=end_when, args=(over, seconds, run), name="live", daemon=True)
        guard.start()
        try:
            for event in run.events():
                match event:
                    case events.Done(result=result):
                        return report.completed(result)
                    case events.Failed(error=error):
                        return report.failed(error)
                report.take(event)
            raise ChildDied("child", "the child ended without a result")
        except ChildDied as e:
            if over.is_set():
                raise Unavailable("the evaluation was ended: nobody waits for it") from e
            if time.monotonic() >= ends:
                raise DeadlineExceeded(
                    f"the evaluation was not done after {seconds:.3g} s, and may take no longer; "
                    f"{INSTEAD}, or give it fewer rows"
                ) from e
            return report.failed({"kind": e.kind, "message": str(e)})
        finally:
            over.set()
            guard.join()

    def _spec(self, job: Document) -> JobSpec:
        return JobSpec(
            job_id=job["id"],
            attempt=1,
            config=self._vault.reveal(with_files(job["config"])),
            target=self._vault.reveal(with_files(job["target"])),
            clients=self._clients,
        )


class Report:
    """What an evaluation says of itself.

    A log line that is said while tasks run is theirs. Any other is every task's, so that the log of
    a task has all that bears on it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.redact: Callable[[str], str] = str
        self._began = time.monotonic()
        self._standing = at_start(config)
        self._logs: dict[str, list[str]] = {task: [] for task in self._standing.task_status or [""]}
        self._left = LOG_LIMIT

    def take(self, event: events.Event) -> None:
        match event:
            case events.Task() | events.Progress():
                self._standing = after(self._standing, event)
            case events.Log():
                self._log(event.at, event.level, event.message)

    def completed(self, result: Mapping[str, Any]) -> Outcome:
        seconds = time.monotonic() - self._began
        message = f"completed: {self._standing.processed} samples in {seconds:.1f} s"
        self._log(time.time(), "info", message)
        return self._outcome(JobStatus.COMPLETED, result, progress=100.0)

    def failed(self, error: Mapping[str, Any], message: str | None = None) -> Outcome:
        self._log(time.time(), "error", f"{error['kind']}: {error['message']}")
        said = {"message": message} if message else {}
        return self._outcome(JobStatus.FAILED, {}, error=error, **said)

    def _log(self, at: float, level: str, message: str) -> None:
        if self._left < 0:
            return
        running = [t for t, s in self._standing.task_status.items() if s == "running"]
        tasks = running or list(self._logs)
        line = log_line(at, level, self.redact(message))
        self._left -= len(line) * len(tasks)
        if self._left < 0:
            tasks, line = list(self._logs), log_line(at, "warning", FULL)
        for task in tasks:
            self._logs.setdefault(task, []).append(line)

    def _outcome(self, status: JobStatus, result: Mapping[str, Any], **said: Any) -> Outcome:
        details = {
            "message": MESSAGES[status],
            "task_status": leave_tasks(self._standing.task_status, status),
            "progress": self._standing.progress,
            "samples_processed": self._standing.processed,
            **said,
        }
        logs = {task: "".join(lines) for task, lines in self._logs.items()}
        return Outcome(status, details, result, logs)


def end_when(over: Event, seconds: float, run: Run) -> None:
    """Ends a run when it is over, or so many seconds from now. After its end that does nothing."""
    over.wait(seconds)
    run.stop(0)
