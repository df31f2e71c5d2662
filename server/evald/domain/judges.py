"""Models that judge, given as the name of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evald.domain.documents import Document
from evald.domain.references import Reference
from evald.errors import InvalidArgument, NotFound

EACH = "*"

PLACES = (
    ("tasks", EACH, "metrics", EACH, "params", "model"),
    ("tasks", EACH, "params", "judge", "model"),
    ("tasks", EACH, "params", "judge_llm"),
    ("tasks", EACH, "params", "judge_embeddings"),
    ("params", "extra", "judge", "model"),
)
"""Where configs name models that judge; EACH is any key."""


def with_judges(config: Document, find: Callable[[Reference], Document]) -> Document:
    """A config in which each model that judges and is named as a target, as `namespace/name`, is
    that target's model. A name that is no target's stays: it is the id of a model.

    Raises InvalidArgument when the target is no model.
    """
    for place in PLACES:
        config = _replaced(config, place, find, "")
    return config


def _replaced(
    found: Any, place: tuple[str, ...], find: Callable[[Reference], Document], field: str
) -> Any:
    """What was found at `field`, with the model at a place below it in place of its name."""
    if not place:
        judge = _judge(found, find, field) if isinstance(found, str) else None
        return found if judge is None else judge
    if not isinstance(found, Mapping):
        return found
    key, *rest = place
    keys = list(found) if key == EACH else [key] if key in found else []
    below = {
        k: _replaced(found[k], tuple(rest), find, f"{field}.{k}" if field else k) for k in keys
    }
    return {**found, **below}


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
