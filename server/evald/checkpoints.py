"""Checkpoints: models without an endpoint, which a job has to run itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard


def is_local(model: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether evald runs a model itself: one that has an artifact, and no endpoint."""
    if not isinstance(model, Mapping) or model.get("api_endpoint"):
        return False
    return bool(model.get("artifact"))


def count_local(*documents: Any) -> int:
    """How many models a job has to run itself, as its target and its config say."""
    return len({(a.get("files_url"), a.get("precision")) for a in _artifacts(documents)})


def gpus_of_local(*documents: Any) -> int:
    """How many GPUs the models that a job has to run itself are made for: those of the largest."""
    parallel = (a.get("tensor_parallelism") for a in _artifacts(documents))
    return max((int(n) if isinstance(n, int | float) else 1 for n in parallel), default=0)


def _artifacts(document: Any) -> Iterator[Mapping[str, Any]]:
    """Those of models without an endpoint, at any depth. Rows and custom fields are data."""
    if is_local(document) and isinstance(document["artifact"], Mapping):
        yield document["artifact"]
    parts: Iterable[Any] = ()
    if isinstance(document, Mapping):
        parts = (v for k, v in document.items() if not is_data(k, v))
    elif isinstance(document, list | tuple):
        parts = document
    for part in parts:
        yield from _artifacts(part)


def is_data(key: str, value: Any) -> bool:
    """Whether a member holds what users keep there; a task may be called `rows`."""
    return key == "custom_fields" or (key == "rows" and not isinstance(value, Mapping))
