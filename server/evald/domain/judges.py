"""Models that metrics ask, given as the name of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evald.domain.documents import Document
from evald.domain.references import Reference
from evald.errors import InvalidArgument, NotFound


def with_judges(config: Document, find: Callable[[Reference], Document]) -> Document:
    """A config in which a metric's `model` that names a target, as `namespace/name`, is that
    target's model. A name that is no target's stays: it is the id of a model.

    Raises InvalidArgument when the target is no model.
    """
    tasks = {
        name: {**task, "metrics": _found(task["metrics"], find, f"tasks.{name}.metrics")}
        if task.get("metrics")
        else task
        for name, task in (config.get("tasks") or {}).items()
    }
    return {**config, "tasks": tasks} if tasks else config


def _found(
    metrics: Mapping[str, Any], find: Callable[[Reference], Document], field: str
) -> dict[str, Any]:
    found = {}
    for name, metric in metrics.items():
        params = metric.get("params")
        model = params.get("model") if isinstance(params, Mapping) else None
        if isinstance(model, str) and (
            judge := _judge(model, find, f"{field}.{name}.params.model")
        ):
            metric = {**metric, "params": {**params, "model": judge}}
        found[name] = metric
    return found


def _judge(model: str, find: Callable[[Reference], Document], field: str) -> Any:
    namespace, slash, name = model.partition("/")
    if not slash or "/" in name:
        return None
    try:
        target = find(Reference(namespace, name))
    except NotFound:
        return None
    if target["type"] != "model":
        raise InvalidArgument.of(field, f"target {model!r} is of type {target['type']}, not model")
    return target["model"]
