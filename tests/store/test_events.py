"""What watchers are told of jobs, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from evald.domain import access
from evald.domain.attempts import Standing
from evald.domain.states import JobStatus
from evald.domain.watch import Look
from evald.errors import NotFound
from evald.store import events
from evald.store.store import Store
from tests.store.test_store import claim, job


def steps(look: Look | None, after: int = 0) -> list[tuple[Any, ...]]:
    assert look is not None
    return [(e["type"], e["revision"], e["status"]) for e in look.since(after)]


def test_look_at_a_job(store: Store) -> None:
    job_id = job(store)["id"]
    assert steps(store.events.look(job_id)) == [("state", 1, "created")]
    claimed = claim(store, job_id)
    store.samples.record(claimed.fence, [], Standing(3, 30.0, {"qa": "running"}))
    look = store.events.look(job_id)
    assert steps(look, 1) == [("state", 2, "running"), ("progress", 3, "running")]
    assert look.present["attempt"] == 1
    assert look.present["status_details"] == {
        "message": "Job is running",
        "task_status": {"qa": "running"},
        "progress": 30.0,
        "samples_processed": 3,
    }
    error = {"kind": "http", "message": "503"}
    store.queue.finish(claimed.fence, JobStatus.FAILED, error=error)
    look = store.events.look(job_id)
    [event] = look.since(3)
    assert (event["type"], event["revision"], event["error"]) == ("state", 4, error)
    assert look.has_ended
    with pytest.raises(NotFound):
        store.events.look("other")


def test_changes_of_many_jobs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 2)
    ids = [job(store)["id"] for _ in range(5)]
    known = dict.fromkeys(ids, 1)
    assert store.events.changed({}) == {}
    assert store.events.changed(known) == {}
    for job_id in (ids[0], ids[1], ids[3]):
        store.jobs.cancel(job_id)
    store.jobs.delete(ids[1])
    changed = store.events.changed(known)
    assert set(changed) == {ids[0], ids[1], ids[3]}
    assert changed[ids[1]] is None
    assert steps(changed[ids[3]], 1) == [("state", 2, "cancelled")]


def test_only_the_first_look_asks_who_looks(store: Store) -> None:
    job_id = job(store)["id"]
    stranger = access.Caller("s", access.Role.ADMIN, frozenset({"other"}))
    with access.acting(stranger):
        with pytest.raises(NotFound):
            store.events.look(job_id)
        assert set(store.events.changed({job_id: 0})) == {job_id}
