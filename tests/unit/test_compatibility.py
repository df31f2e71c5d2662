"""Which targets a config can evaluate."""

from __future__ import annotations

from typing import Any

import pytest

from evald import registry
from evald.domain import compatibility
from evald.errors import InvalidArgument

CUSTOM = registry.flows()["custom"].targets
SIMILARITY = registry.flows()["similarity_metrics"].targets


def config(kind: str, *tasks: str) -> dict[str, Any]:
    return {"type": kind, "tasks": {f"t{i}": {"type": t} for i, t in enumerate(tasks)}}


@pytest.mark.parametrize(
    ("target", "given", "targets"),
    [
        ("model", config("custom", "completion", "chat-completion"), CUSTOM),
        ("rows", config("custom", "data"), CUSTOM),
        ("dataset", config("custom", "data", "data"), CUSTOM),
        ("model", config("similarity_metrics", "default"), SIMILARITY),
        ("cached_outputs", config("similarity_metrics", "anything"), SIMILARITY),
        ("model", {"type": "gsm8k"}, {"*": ("model",)}),
        ("model", {"type": "gsm8k", "tasks": {}}, {"*": ("model",)}),
    ],
)
def test_what_fits(target: str, given: dict[str, Any], targets: Any) -> None:
    compatibility.check({"type": target}, given, targets)


@pytest.mark.parametrize("target", ["cached_outputs", "retriever", "rag", "rows", "dataset"])
@pytest.mark.parametrize("task", ["completion", "chat-completion"])
def test_models_only(target: str, task: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        compatibility.check({"type": target}, config("custom", task), CUSTOM)
    assert e.value.violations[0].field == "target.type"
    assert f"task 't0' of type {task!r}, evaluates targets of type model" in e.value.message


def test_one_task_that_does_not_fit_is_enough_and_the_right_type_is_told() -> None:
    with pytest.raises(InvalidArgument, match=r"'t1'.*goes with task type data"):
        compatibility.check({"type": "rows"}, config("custom", "data", "completion"), CUSTOM)
    with pytest.raises(InvalidArgument, match="model or cached_outputs, not rag"):
        compatibility.check({"type": "rag"}, config("similarity_metrics", "x"), SIMILARITY)


def test_an_unknown_task_type_is_named() -> None:
    with pytest.raises(InvalidArgument, match="'chat' is not known") as e:
        compatibility.check({"type": "model"}, config("custom", "chat"), CUSTOM)
    assert e.value.violations[0].field == "config.tasks.t0.type"
