"""Models that judge, given as the name of a target."""

from __future__ import annotations

import json
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


MOST_BYTES = 16 * 2**20
"""Of all models, as JSON, that are put into a config."""


def with_judges(config: Document, find: Callable[[Reference], Document]) -> Document:
    """A config in which each model that judges and is named as a target, as `namespace/name`, is
    that target's model. A name that is no target's stays: it is the id of a model.

    Raises InvalidArgument when the target is no model, or the config would be too large.
    """
    judges = Judges(find)
    for place in PLACES:
        config = _replaced(config, place, judges, "")
    return config


class Judges:
    """The models that are named, each looked up once."""

    def __init__(self, find: Callable[[Reference], Document]) -> None:
        self._find = find
        self._known: dict[str, tuple[Any, int]] = {}
        self._bytes = 0

    def named(self, text: str, field: str) -> Any:
        """The model of the target that a text names; None when it names none."""
        if text not in self._known:
            model = self._look_up(text, field)
            self._known[text] = model, 0 if model is None else len(json.dumps(model))
        model, size = self._known[text]
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise InvalidArgument.of(
                field,
                f"the models named as judges have more than {MOST_BYTES // 2**20} MiB together, "
                "each counted as often as it is named; name fewer or smaller ones",
            )
        return model

    def _look_up(self, text: str, field: str) -> Any:
        namespace, slash, name = text.partition("/")
        if not slash or "/" in name:
            return None
        try:
            target = self._find(Reference(namespace, name))
        except NotFound:
            return None
        if target["type"] != "model":
            raise InvalidArgument.of(
                field, f"target {text!r} is of type {target['type']}, not model"
            )
        return target["model"]


def _replaced(found: Any, place: tuple[str, ...], judges: Judges, field: str) -> Any:
    """What was found at `field`, with the model at a place below it in place of its name."""
    if not place:
        judge = judges.named(found, field) if isinstance(found, str) else None
        return found if judge is None else judge
    if not isinstance(found, Mapping):
        return found
    key, *rest = place
    keys = list(found) if key == EACH else [key] if key in found else []
    below = {
        k: _replaced(found[k], tuple(rest), judges, f"{field}.{k}" if field else k) for k in keys
    }
    return {**found, **below}
