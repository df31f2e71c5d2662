"""Creates that are asked for twice, on both databases."""

from __future__ import annotations

import pytest

from evald.domain import ids
from evald.domain.access import Caller, Role, acting
from evald.domain.documents import Maker
from evald.domain.references import Reference
from evald.domain.requests import UNKEYED, Request
from evald.errors import Conflict
from evald.store.store import Store
from tests.store.test_store import job

ASKED, OTHER = Request("default/r", "d"), Request("default/r", "other")


def test_the_job_of_a_request_is_found_before_another_is_made(store: Store) -> None:
    assert store.jobs.made(ASKED) is None
    job(store)
    assert store.jobs.made(UNKEYED) is None
    first = job(store, ASKED)
    found = store.jobs.made(ASKED)
    assert found is not None
    assert found["id"] == first["id"]
    with pytest.raises(Conflict, match=first["id"]):
        store.jobs.made(OTHER)


def test_the_key_of_a_deleted_job_is_free(store: Store) -> None:
    first = job(store, ASKED)["id"]
    store.jobs.cancel(first)
    store.jobs.delete(first)
    assert store.jobs.made(ASKED) is None
    assert store.jobs.made(OTHER) is None
    assert job(store, OTHER)["id"] != first


def test_a_config_that_was_renamed_and_moved_is_still_the_first(store: Store) -> None:
    kept = store.configs.add(Maker().entity({"name": "c", "type": "custom"}, ids.CONFIG), ASKED)
    store.configs.update(
        Reference("default", "c"), lambda found: {**found, "name": "d", "namespace": "away"}
    )
    found = store.configs.made(ASKED)
    assert found is not None
    assert (found["id"], found["name"], found["namespace"]) == (kept["id"], "d", "away")
    only_here = Caller("t", Role.WRITER, frozenset({"default"}))
    with acting(only_here), pytest.raises(Conflict, match="used for another config"):
        store.configs.made(ASKED)
