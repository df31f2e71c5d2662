"""Texts that the store has in indexes: what is too long is refused, the longest ones are kept."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest

from evald.domain import ids
from evald.domain.attempts import Standing, StoredSample
from evald.domain.documents import Maker
from evald.domain.entities import Entities
from evald.domain.jobs import Jobs
from evald.errors import InvalidArgument
from evald.store.store import Store

RANDOM = Random(1)


def letters(count: int, first: int = 0x4E00, last: int = 0x9FFF) -> str:
    """Letters that cannot be compressed, by default of three bytes each."""
    return "".join(chr(RANDOM.randint(first, last)) for _ in range(count))


LONG, TOO_LONG = letters(255), letters(256)
OF_FOUR_BYTES = letters(255, 0x20000, 0x2A6DF)
ROWS: Mapping[str, Any] = {"type": "rows", "rows": [{"a": "1"}]}


class Kept:
    """Targets, configs and jobs of a store, as a server keeps them."""

    def __init__(self, store: Store) -> None:
        vault = Mock(seal=lambda document, *_: document, mask=lambda document: document)
        self.targets = Entities(store.targets, vault, Maker(), ids.TARGET, Mock())
        self.configs = Entities(store.configs, vault, Maker(), ids.CONFIG, Mock())
        parts = (self.targets, self.configs, vault, Mock(), Mock(), Mock())
        self.jobs = Jobs(store.jobs, store.samples, *parts)


@pytest.fixture
def kept(store: Store) -> Kept:
    return Kept(store)


TASK = {"metrics": {LONG: {"type": "em"}}}
BAD = [
    ({"type": "custom", "project": TOO_LONG}, "project"),
    ({"type": TOO_LONG}, "type"),
    ({"type": "custom", "tasks": {TOO_LONG: {}}}, "tasks"),
    ({"type": "custom", "tasks": {"qa": {"metrics": {TOO_LONG: {}}}}}, "tasks.qa.metrics"),
    (
        {"type": "custom", "project": OF_FOUR_BYTES, "name": OF_FOUR_BYTES, "namespace": LONG},
        "project",
    ),
]


@pytest.mark.parametrize(("config", "field"), BAD)
def test_what_is_too_long_is_refused_by_field(kept: Kept, config: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        kept.configs.create(config)
    [violation] = e.value.violations
    assert violation.field == field
    assert len(violation.message) < 200
    good = kept.configs.create({"type": "custom", "name": config.get("name", "good")})
    changes = {k: v for k, v in config.items() if k != "name"}
    with pytest.raises(InvalidArgument, match=f"^{field}: "):
        kept.configs.update("default", good["name"], changes)
    with pytest.raises(InvalidArgument, match=rf"^config\.{field}: "):
        kept.jobs.create({"target": ROWS, "config": config})


def test_a_job_is_checked_itself(kept: Kept) -> None:
    job = {"target": ROWS, "config": {"type": "custom"}, "project": TOO_LONG}
    for validate_only in (False, True):
        with pytest.raises(InvalidArgument, match=r"^project: it has 256 characters; use at most"):
            kept.jobs.create(job, validate_only=validate_only)


def test_a_config_of_an_earlier_version_is_checked(store: Store, kept: Kept) -> None:
    config = kept.configs.make({"type": "custom", "name": "old"})
    store.configs.add({**config, "tasks": {TOO_LONG: {}}})
    with pytest.raises(InvalidArgument, match=r"^config\.tasks: the name '.{40}'\.\.\. has 256"):
        kept.jobs.create({"target": ROWS, "config": "default/old"})


def test_the_longest_texts_are_kept(store: Store, kept: Kept) -> None:
    texts = {"namespace": LONG, "name": LONG, "project": LONG}
    kept.targets.create({**ROWS, **texts})
    config = {"type": LONG, "tasks": {OF_FOUR_BYTES: TASK}}
    kept.configs.create({**texts, **config})
    of_four = {"namespace": OF_FOUR_BYTES, "name": OF_FOUR_BYTES}
    kept.targets.create({**ROWS, **of_four, "project": LONG[:186]})
    kept.configs.create({**of_four, **config, "type": LONG[:186]})
    job = kept.jobs.create(
        {
            "namespace": OF_FOUR_BYTES,
            "project": OF_FOUR_BYTES,
            "target": f"{OF_FOUR_BYTES}/{OF_FOUR_BYTES}",
            "config": {**of_four, **config, "type": LONG[:186]},
        }
    )
    claim = store.queue.claim(job["id"], "w", devices=(), lease_seconds=30, files_url="x")
    assert claim
    sample = StoredSample(OF_FOUR_BYTES, 0, "{}", None, "{}", None, None)
    store.samples.record(claim.fence, [sample], Standing(1))
    assert store.samples.count(job["id"]) == 1
