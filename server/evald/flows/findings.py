"""What is wrong with a config: all of it, told at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from evald.errors import InvalidArgument, Violation
from evald.flows.flow import Document
from evald.flows.params import EvaluationParams, TaskParams, parse, refuse


class Findings:
    """Gathers what is wrong with an entity, so that all of it is told at once.

    with findings.gather():
        check(...)
    """

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def add(self, field: str, message: str) -> None:
        self._violations.append(Violation(field, message))

    def gather(self) -> Findings:
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, InvalidArgument):
            return False
        self._violations += error.violations
        return True

    def raise_any(self) -> None:
        """Raises InvalidArgument when anything was found."""
        if self._violations:
            raise refuse(self._violations)


def check_tasks(config: Document, check_task: Callable[[Findings, str, Document], None]) -> None:
    """Checks the params of a config, that it has tasks and these have metrics, and each task by
    `check_task`, which gets the task's path.

    Raises InvalidArgument with all that was found.
    """
    findings = Findings()
    with findings.gather():
        parse(EvaluationParams, config.get("params"), "params")
    tasks = config.get("tasks") or {}
    if not tasks:
        findings.add("tasks", "say what to evaluate: at least one task")
    for name, task in tasks.items():
        path = f"tasks.{name}"
        if not task.get("metrics"):
            findings.add(f"{path}.metrics", "say what to measure: at least one metric")
        with findings.gather():
            parse(TaskParams, task.get("params"), f"{path}.params")
        with findings.gather():
            check_task(findings, path, task)
    findings.raise_any()


def check_benchmark_tasks(
    findings: Findings, config: Document, kinds: Collection[str] | None = ()
) -> None:
    """Checks the tasks of a benchmark, which has scores of its own. A task is of no type
    (`default`), of the config's, or one of `kinds`; None if its type is checked elsewhere."""
    kind = config["type"]
    for name, task in (config.get("tasks") or {}).items():
        path = f"tasks.{name}"
        if kinds is not None and task.get("type") not in ("", None, "default", kind, *kinds):
            findings.add(f"{path}.type", f"it must be {kind!r}, or absent")
        if task.get("metrics"):
            findings.add(f"{path}.metrics", f"{kind} has scores of its own, and no other metrics")
        with findings.gather():
            parse(TaskParams, task.get("params"), f"{path}.params")
