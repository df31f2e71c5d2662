"""Live evaluations in real children, by the flow of `flows_plugin`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from evald.clients.redact import redact
from evald.clients.secrets import secret_values
from evald.domain.live import Outcome
from evald.errors import DeadlineExceeded, EvaluationError, Unavailable
from evald.executor import live
from evald.executor.live import Live
from evald.settings import Settings
from tests.executor.conftest import AnyBackend, Mark

KEY = "sesame-open-4711"


class Vault:
    """Keeps one secret, whose name is `sealed`."""

    def reveal(self, document: Any) -> Any:
        if isinstance(document, dict):
            return {k: self.reveal(v) for k, v in document.items()}
        if document == "lost":
            raise EvaluationError("secret", "env:KEY is not set")
        return KEY if document == "sealed" else document


@pytest.fixture
def evaluate(backend: AnyBackend, tmp_path: Path) -> Callable[..., Outcome]:
    vault = Vault()

    def redaction(*documents: Any) -> Callable[[str], str]:
        known = secret_values([vault.reveal(document) for document in documents])
        return lambda text: redact(text, known)

    evaluator = Live(backend, vault, redaction, Settings(data_dir=tmp_path).clients)

    def run(
        do: str,
        *,
        seconds: float = 60,
        over: Event | None = None,
        key: str = "sealed",
        **config: Any,
    ) -> Outcome:
        model = {"api_endpoint": {"api_key": key}, "api_key": key}
        job = {
            "id": "eval-trial",
            "config": {"type": "trial", "do": do, "tasks": {"qa": {}}, **config},
            "target": {"type": "model", "model": model},
        }
        return evaluator.evaluate(job, seconds=seconds, over=over or Event())

    return run


def test_completed(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("samples", count=5)
    assert found.status == "completed"
    assert found.details == {
        "message": "Job completed successfully",
        "task_status": {"qa": "completed"},
        "progress": 100.0,
        "samples_processed": 5,
    }
    assert found.result["groups"] == {}
    assert " INFO completed: 5 samples in " in found.logs["qa"]


@pytest.mark.parametrize("executor", ["local"], indirect=True)  # Ray chooses a worker by itself
def test_the_next_one_runs_in_the_same_child(evaluate: Callable[..., Outcome]) -> None:
    assert evaluate("tell").result["told"]["pid"] == evaluate("tell").result["told"]["pid"]


def test_flow_that_gives_up(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("refuse", tasks={"qa": {}, "other": {}})
    assert found.status == "failed"
    assert found.result == {}
    assert found.details == {
        "message": "Job failed",
        "task_status": {"qa": "failed", "other": "failed"},
        "progress": None,
        "samples_processed": 0,
        "error": {"kind": "http", "message": "HTTP 500", "task": "qa", "sample": 3},
    }
    assert found.logs["qa"].endswith(" ERROR http: HTTP 500\n")


@pytest.mark.parametrize(("do", "cause"), [("segfault", "crash"), ("kill", "killed")])
def test_child_that_dies(evaluate: Callable[..., Outcome], do: str, cause: str) -> None:
    found = evaluate(do)
    assert found.status == "failed"
    assert found.details["error"]["kind"] == cause
    assert evaluate("tell").status == "completed"


def test_secret_that_cannot_be_read(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("tell", key="lost")
    assert found.details["message"] == "Job failed to launch"
    assert found.details["error"] == {"kind": "secret", "message": "env:KEY is not set"}


def test_secrets_are_the_childs_alone(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("leak")
    assert found.details["error"]["message"] == "ValueError: no ******"
    assert "logged ******" in found.logs["qa"]
    assert "printed ******" in found.logs["qa"]
    assert KEY not in str(found)


def test_lines_by_task(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("talk", tasks={"a": {}, "b": {}})
    for task, text in found.logs.items():
        *said, last = (line.split(" ", 2)[2] for line in text.splitlines())
        assert said == ["before", f"in {task}", "after"]
        assert last.startswith("completed: ")


def test_without_tasks_there_is_one_log(evaluate: Callable[..., Outcome]) -> None:
    assert list(evaluate("printing", tasks={}).logs) == [""]


def test_logs_are_bounded(evaluate: Callable[..., Outcome]) -> None:
    found = evaluate("chatter", tasks={"a": {}, "b": {}})
    assert found.status == "completed"
    assert sum(map(len, found.logs.values())) < live.LOG_LIMIT + 1000
    for text in found.logs.values():
        assert text.endswith(" WARNING the log is full; later lines are left out\n")
        assert text.count("WARNING") == 1


@pytest.mark.parametrize("do", ["hang", "stuck", "stubborn", "offspring"])
def test_time_is_up(evaluate: Callable[..., Outcome], mark: Mark, do: str) -> None:
    over = Event()
    with pytest.raises(DeadlineExceeded, match=r"not done after 0\.5 s.*create a job instead"):
        evaluate(do, seconds=0.5, over=over)
    assert over.is_set()
    assert not mark.pids()


def test_nobody_waits(evaluate: Callable[..., Outcome], mark: Mark) -> None:
    over, ended = Event(), Event()

    def run() -> None:
        with pytest.raises(Unavailable, match="nobody waits"):
            evaluate("hang", over=over)
        ended.set()

    thread = Thread(target=run)
    thread.start()
    while not mark.pids():
        thread.join(0.01)
    over.set()
    thread.join(20)
    assert ended.is_set()
    assert not mark.pids()


def test_no_time_at_all(evaluate: Callable[..., Outcome]) -> None:
    with pytest.raises(DeadlineExceeded):
        evaluate("hang", seconds=0)
