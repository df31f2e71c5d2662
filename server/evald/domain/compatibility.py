"""Which targets a config can evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evald.errors import InvalidArgument

ANY_TASK = "*"


def check(
    target: Mapping[str, Any],
    config: Mapping[str, Any],
    targets: Mapping[str, Sequence[str]],
) -> None:
    """Raises InvalidArgument when a task of the config cannot evaluate the target.

    `targets` is what the config's flow says: the target types that each task type takes, with `*`
    for any task type.
    """
    kind = target["type"]
    for name, task in (config.get("tasks") or {"": {}}).items():
        task_type = task.get("type") or ""
        if task_type not in targets and ANY_TASK not in targets:
            known = ", ".join(targets)
            raise InvalidArgument.of(
                f"config.tasks.{name}.type", f"{task_type!r} is not known (known: {known})"
            )
        taken = targets.get(task_type, targets.get(ANY_TASK, ()))
        if kind in taken:
            continue
        what = f"config type {config['type']!r}"
        if task_type in targets:
            what += f", task {name!r} of type {task_type!r},"
        others = [t for t, kinds in targets.items() if kind in kinds and t != ANY_TASK]
        hint = f"; a {kind} target goes with task type {' or '.join(others)}" if others else ""
        raise InvalidArgument.of(
            "target.type",
            f"{what} evaluates targets of type {' or '.join(taken)}, not {kind}{hint}",
        )
