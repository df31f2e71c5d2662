"""The store on both databases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from evald.deadline import within
from evald.domain import ids
from evald.domain.attempts import Claim, Standing, StoredSample
from evald.domain.documents import Maker
from evald.domain.listing import ListQuery
from evald.domain.references import Reference
from evald.domain.requests import UNKEYED, Request
from evald.domain.states import JobStatus
from evald.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    InvalidArgument,
    LeaseLost,
    NotFound,
    Unavailable,
)
from evald.settings import Settings
from evald.store import store as module
from evald.store.jobs import enter, find
from evald.store.queue import held
from evald.store.store import Store
from tests.store.conftest import opened

MAKER = Maker()


def target(**members: Any) -> dict[str, Any]:
    return MAKER.entity({"type": "rows", "rows": [{"a": 1}], **members}, ids.TARGET)


def job(store: Store, request: Request = UNKEYED, **members: Any) -> dict[str, Any]:
    config = MAKER.entity({"type": "custom", "tasks": {"qa": {"type": "data"}}}, ids.CONFIG)
    return store.jobs.add(
        {
            "id": ids.new_id(ids.JOB),
            "namespace": "default",
            "target": target(),
            "config": config,
            **members,
        },
        request,
    )


def claim(store: Store, job_id: str, worker: str = "w", lease_seconds: float = 30) -> Claim:
    claimed = store.queue.claim(
        job_id, worker, devices=[], lease_seconds=lease_seconds, files_url=f"hf://x/{job_id}"
    )
    assert claimed is not None
    return claimed


def sample(index: int, task: str = "qa") -> StoredSample:
    return StoredSample(task, index, '{"a":1}', None, '{"m":{"s":1.0}}', None, None)


def test_entity_is_found_by_name_then_by_id(store: Store) -> None:
    kept = target(name="n", namespace="ns")
    store.targets.add(kept)
    assert store.targets.get(Reference("ns", "n")) == kept
    assert store.targets.get(Reference("ns", kept["id"])) == kept
    with pytest.raises(NotFound, match="target 'ns/other' does not exist"):
        store.targets.get(Reference("ns", "other"))


def test_name_is_unique_in_its_namespace(store: Store) -> None:
    store.targets.add(target(name="n"))
    store.targets.add(target(name="n", namespace="other"))
    with pytest.raises(AlreadyExists, match="a target 'default/n' exists already"):
        store.targets.add(target(name="n"))


def test_pages_are_stable_and_end(store: Store) -> None:
    for number in range(5):
        store.targets.add(target(name=f"n{number}"))
    names = [
        entry["name"]
        for page in (1, 2, 3, 4)
        for entry in store.targets.page(ListQuery(page, 2, "-name")).entries
    ]
    assert names == ["n4", "n3", "n2", "n1", "n0"]
    assert store.targets.page(ListQuery(9, 2)).total == 5


def test_filter_by_column_and_time(store: Store) -> None:
    store.targets.add(target(name="a"))
    store.targets.add(target(name="b", namespace="ns"))
    found = store.targets.page(ListQuery(filter={"namespace": "ns"}))
    assert [e["name"] for e in found.entries] == ["b"]
    past = {"created_at": {"lt": "2020-01-01"}}
    assert store.targets.page(ListQuery(filter=past)).total == 0
    assert store.targets.page(ListQuery(filter={"custom_fields": ["k=v"]})).total == 0
    with pytest.raises(InvalidArgument, match=r"filter\.created_at: 'soon'"):
        store.targets.page(ListQuery(filter={"created_at": "soon"}))


def test_entity_that_a_job_uses_stays(store: Store) -> None:
    kept = target(name="n")
    store.targets.add(kept)
    used_by = job(store, target=kept)
    with pytest.raises(Conflict, match=used_by["id"]):
        store.targets.delete(Reference("default", "n"))
    store.jobs.cancel(used_by["id"])
    store.jobs.delete(used_by["id"])
    assert store.targets.delete(Reference("default", "n")) == kept["id"]


def test_jobs_are_found_by_their_target_and_config(store: Store) -> None:
    kept = target(name="n", namespace="ns", custom_fields={"team": "a", "size": 3})
    mine = job(store, target=kept, custom_fields={"run": 1})["id"]
    job(store)

    def found(**filter: Any) -> list[str]:
        return [entry["id"] for entry in store.jobs.page(ListQuery(filter=filter)).entries]

    assert found(target="ns/n") == [mine]
    assert found(target=f"ns/{kept['id']}") == [mine]
    assert found(target={"name": "n", "custom_fields": ["team=a", "size=3"]}) == [mine]
    assert found(target="ns/other") == []
    assert found(config={"type": "nothing"}) == []
    assert found(custom_fields=["run=1"]) == [mine]
    assert found(status="created", target="ns/n") == [mine]


def test_targets_are_found_by_their_model(store: Store) -> None:
    store.targets.add(MAKER.entity({"type": "model", "model": "meta/llama"}, ids.TARGET))
    store.targets.add(target())
    assert store.targets.page(ListQuery(filter={"model": "meta/llama"})).total == 1


def test_fresh_job_says_nothing_of_itself(store: Store) -> None:
    created = job(store)
    assert created["status"] == "created"
    assert created["status_details"] == {"task_status": {}}
    assert "result" not in created
    with pytest.raises(NotFound, match="has not started"):
        store.results.of_job(created["id"])


def test_job_from_claim_to_completion(store: Store) -> None:
    job_id = job(store)["id"]
    fence = claim(store, job_id).fence
    running = store.jobs.get(job_id)
    assert running["status_details"] == {
        "message": "Job is running",
        "progress": 0.0,
        "samples_processed": 0,
        "task_status": {"qa": "pending"},
    }
    assert store.results.of_job(job_id)["tasks"] == {}
    store.samples.record(fence, [sample(0), sample(1)], Standing(2, 50.0, {"qa": "running"}))
    assert store.jobs.get(job_id)["status_details"]["progress"] == 50.0
    result = {"tasks": {"qa": {"metrics": {}}}, "groups": {}}
    store.samples.record(fence, [], Standing(2, 50.0, {"qa": "completed"}))
    store.queue.finish(fence, JobStatus.COMPLETED, result=result)
    done = store.jobs.get(job_id)
    assert done["status"] == "completed"
    assert done["status_details"]["message"] == "Job completed successfully"
    assert done["status_details"]["progress"] == 100.0
    assert [s["status"] for s in done["state_history"]] == ["created", "running", "completed"]
    assert store.results.of_job(job_id)["tasks"] == result["tasks"]
    assert store.samples.count(job_id) == 2


def test_sample_is_stored_once(store: Store) -> None:
    fence = claim(store, job(store)["id"]).fence
    for _ in range(2):
        store.samples.record(fence, [sample(0), sample(1)], Standing())
    assert [s.index for s in store.samples.read(fence.job_id)] == [0, 1]


def test_progress_never_falls(store: Store) -> None:
    fence = claim(store, job(store)["id"]).fence
    store.samples.record(fence, [], Standing(5, 50.0))
    store.samples.record(fence, [], Standing(6, 40.0))
    assert store.jobs.get(fence.job_id)["status_details"]["progress"] == 50.0


def test_overtaken_attempt_can_write_nothing(store: Store) -> None:
    job_id = job(store)["id"]
    old = claim(store, job_id, "old", lease_seconds=-1).fence
    assert store.queue.rescue() == [job_id]
    assert store.jobs.get(job_id)["status"] == "pending"
    with pytest.raises(LeaseLost):
        store.samples.record(old, [sample(0)], Standing())
    with pytest.raises(LeaseLost):
        store.queue.finish(old, JobStatus.COMPLETED)
    with pytest.raises(LeaseLost):
        store.queue.release(old, counted=True, error={"kind": "x", "message": "y"})
    assert store.samples.count(job_id) == 0


def test_lease_that_is_renewed_is_not_rescued(store: Store) -> None:
    job_id = job(store)["id"]
    fence = claim(store, job_id, "w", lease_seconds=-1).fence
    assert store.queue.renew([], lease_seconds=30) == set()
    assert store.queue.renew([fence], lease_seconds=30) == {job_id}
    assert store.queue.renew([replace(fence, attempt=2)], lease_seconds=30) == set()
    assert store.queue.rescue() == []
    assert store.queue.rescue(worker="w") == [job_id]


@pytest.mark.parametrize("writes", [True, False], ids=["before-a-statement", "before-the-commit"])
def test_a_server_that_stops_in_a_write_keeps_its_jobs_from_nobody(
    settings: Settings, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHORTEST_REST", 0.5)
    with opened(settings.model_copy(update={"lease_seconds": 1})) as store:
        if store.database.is_sqlite:  # it has one server
            return
        job_id = job(store)["id"]
        fence = claim(store, job_id, "stopped", lease_seconds=-1).fence

        def stop_in_a_write() -> None:
            with store.database.write() as session:
                held(session, fence)
                assert store.queue.rescue() == []
                time.sleep(1)
                assert store.queue.rescue() == [job_id]
                if writes:
                    held(session, fence)

        with pytest.raises(Unavailable):
            stop_in_a_write()
        assert store.jobs.get(job_id)["status"] == "pending"


def test_job_that_always_dies_fails_after_the_last_attempt(store: Store) -> None:
    job_id = job(store)["id"]
    for number in (1, 2, 3):
        error = {"kind": "crash", "message": f"cause {number}"}
        with store.database.write() as session:
            find(session, job_id).not_before = 0
        fence = claim(store, job_id).fence
        status = store.queue.release(fence, counted=True, error=error)
        assert status == (JobStatus.PENDING if number < 3 else JobStatus.FAILED)
        assert job_id not in [w.job_id for w in store.queue.waiting()]
    assert store.jobs.get(job_id)["error"]["message"] == "cause 3 (run 3 of 3)"


@pytest.mark.parametrize(
    ("ends", "tasks"),
    [
        ("rescued", {"begun": "failed", "waits": "failed"}),
        ("given back", {"begun": "failed", "waits": "failed"}),
        ("cancelled", {"begun": "failed", "waits": "pending"}),
        ("cancelled between attempts", {"begun": "pending", "waits": "pending"}),
    ],
)
def test_tasks_run_only_while_an_attempt_does(
    settings: Settings, ends: str, tasks: dict[str, str]
) -> None:
    runs = 2 if ends == "cancelled between attempts" else 1
    with opened(settings.model_copy(update={"max_attempts": runs})) as store:
        job_id = job(store)["id"]
        fence = claim(store, job_id, lease_seconds=-1).fence
        begun = Standing(task_status={"done": "completed", "begun": "running", "waits": "pending"})
        store.samples.record(fence, [], begun)
        if ends == "cancelled":
            store.jobs.cancel(job_id)
        if ends == "given back":
            store.queue.release(fence, counted=True, error={"kind": "crash", "message": "x"})
        else:
            store.queue.rescue()
        if ends == "cancelled between attempts":
            store.jobs.cancel(job_id)
        found = store.jobs.get(job_id)
        assert found["status"] == ("cancelled" if "cancelled" in ends else "failed")
        assert found["status_details"]["task_status"] == {"done": "completed", **tasks}


def test_claim_that_nobody_heard_of_is_given_back(settings: Settings) -> None:
    """Also when it is committed only now, as after a disk that hung; on SQLite it cannot be."""
    with opened(settings) as store, ThreadPoolExecutor(1) as pool:
        job_id, other, mine = (job(store)["id"] for _ in range(3))
        claim(store, mine)
        claim(store, other, "other")
        with store.database.write() as session:
            row = find(session, job_id)
            row.worker = "w"
            enter(session, row, JobStatus.RUNNING)
            call = pool.submit(store.queue.disown, "w", [job_id, other, "gone"])
            time.sleep(0.3)
            assert not call.done()
        call.result(20)
        found = {i: store.jobs.get(i)["status"] for i in (job_id, other, mine)}
        assert found == {job_id: "pending", other: "running", mine: "running"}


def test_attempt_that_was_drained_does_not_count(store: Store) -> None:
    job_id = job(store)["id"]
    for _ in range(5):
        fence = claim(store, job_id).fence
        store.queue.release(fence, counted=False, error={"kind": "x", "message": "y"})
    assert [w.job_id for w in store.queue.waiting()] == [job_id]


def test_jobs_that_are_over(store: Store) -> None:
    """Ended or not there, whoever asks."""
    waits, runs, ended = (job(store)["id"] for _ in range(3))
    claim(store, runs)
    store.jobs.cancel(ended)
    asked = [waits, runs, ended, "eval-none"]
    assert store.queue.over(asked) == {ended, "eval-none"}
    store.queue.rescue(worker="w")
    assert store.queue.over(asked) == {ended, "eval-none"}


@pytest.mark.parametrize("held", [False, True])
def test_cancel(store: Store, held: bool) -> None:
    job_id = job(store)["id"]
    fence = claim(store, job_id).fence if held else None
    assert store.jobs.cancel(job_id)["status"] == ("cancelling" if held else "cancelled")
    if fence is not None:
        assert store.queue.finish(fence, JobStatus.COMPLETED) == JobStatus.CANCELLED
    assert store.jobs.cancel(job_id)["status"] == "cancelled"


def test_running_job_is_not_deleted(store: Store) -> None:
    fence = claim(store, job(store)["id"]).fence
    with pytest.raises(Conflict, match="cancel it first"):
        store.jobs.delete(fence.job_id)


def test_deleted_job_takes_everything_along(store: Store) -> None:
    fence = claim(store, job(store)["id"]).fence
    store.samples.record(fence, [sample(0)], Standing())
    store.queue.finish(fence, JobStatus.FAILED, error={"kind": "x", "message": "y"})
    store.jobs.delete(fence.job_id)
    with pytest.raises(NotFound):
        store.jobs.get(fence.job_id)
    assert store.samples.count(fence.job_id) == 0


def test_a_request_key_makes_create_idempotent(store: Store) -> None:
    asked, other = Request("default/r", "d"), Request("default/r", "other")
    first = job(store, asked)
    assert job(store, asked)["id"] == first["id"]
    with pytest.raises(Conflict, match=first["id"]):
        job(store, other)
    kept = store.targets.add(target(name="n"), asked)
    assert store.targets.add(target(name="n"), asked) == kept
    with pytest.raises(Conflict, match=kept["id"]):
        store.targets.add(target(), other)


def test_update_puts_another_document_in_place(store: Store) -> None:
    kept = store.targets.add(target(name="n", description="old"))
    store.targets.add(target(name="taken"))
    reference = Reference("default", "n")
    changed = store.targets.update(
        reference,
        lambda found: {k: v for k, v in found.items() if k != "description"} | {"rows": [{"a": 2}]},
    )
    assert changed == {**{k: v for k, v in kept.items() if k != "description"}, "rows": [{"a": 2}]}
    assert store.targets.get(reference) == changed
    with pytest.raises(AlreadyExists, match="default/taken"):
        store.targets.update(reference, lambda found: {**found, "name": "taken"})
    assert store.targets.get(reference) == changed


def test_results_come_go_and_move_with_their_jobs(store: Store) -> None:
    first, second = job(store)["id"], job(store)["id"]
    result = {"id": "r1", "namespace": "default", "job": first, "tasks": {"qa": {"metrics": {}}}}
    assert store.results.add(result)["tasks"] == result["tasks"]
    assert store.jobs.get(first)["result"] == "r1"
    with pytest.raises(AlreadyExists, match=first):
        store.results.add({**result, "id": "r2"})
    with pytest.raises(NotFound, match="eval-none"):
        store.results.add({**result, "id": "r2", "job": "eval-none"})
    moved = store.results.update(
        "r1", second, lambda _: {"job": second, "description": "d", "tasks": None}
    )
    assert moved["job"] == second
    assert moved["tasks"] == {}
    assert store.results.of_job(second) == moved
    with pytest.raises(NotFound, match="not started"):
        store.results.of_job(first)
    store.results.delete("r1")
    assert "result" not in store.jobs.get(second)
    with pytest.raises(NotFound):
        store.results.get("r1")


def test_a_result_that_is_being_written_stays(store: Store) -> None:
    running, other = job(store)["id"], job(store)["id"]
    fence = claim(store, running).fence
    result_id = store.results.of_job(running)["id"]
    for change in (
        lambda: store.results.delete(result_id),
        lambda: store.results.update(result_id, other, lambda _: {"job": other}),
    ):
        with pytest.raises(Conflict, match="wait for its end"):
            change()
    store.queue.finish(fence, JobStatus.FAILED, error={"kind": "flow", "message": "no"})
    store.results.delete(result_id)
    with pytest.raises(NotFound, match="has none"):
        store.results.of_job(running)


def test_a_job_fills_the_result_that_it_was_given(store: Store) -> None:
    given = job(store)["id"]
    store.results.add({"id": "r1", "namespace": "default", "job": given})
    fence = claim(store, given).fence
    store.queue.finish(fence, JobStatus.COMPLETED, result={"tasks": {"qa": {"metrics": {}}}})
    assert store.results.get("r1")["tasks"] == {"qa": {"metrics": {}}}


def test_jobs_wait_by_priority_then_by_age(store: Store) -> None:
    low, first, second, high = (job(store, priority=p)["id"] for p in (-1, 0, 0, 1))
    assert [w.job_id for w in store.queue.waiting()] == [high, first, second, low]
    claim(store, first)
    claim(store, job(store, namespace="ns")["id"])
    assert store.queue.running() == {"default": 1, "ns": 1}


def test_only_created_jobs_are_held(store: Store) -> None:
    waiting, running = job(store)["id"], job(store)["id"]
    claim(store, running)
    store.queue.hold([waiting, running])
    assert store.jobs.get(waiting)["status_details"]["message"] == "Job is pending"
    assert store.jobs.get(running)["status"] == "running"


def test_claims_never_collide(store: Store, settings: Settings) -> None:
    ids_ = [job(store)["id"] for _ in range(40)]

    def take(worker: int) -> list[str]:
        return [
            job_id
            for job_id in ids_
            if store.queue.claim(job_id, f"w{worker}", devices=[], lease_seconds=30, files_url="x")
        ]

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for jobs in pool.map(take, range(8)) for job_id in jobs]
    assert sorted(taken) == sorted(ids_)


def test_a_database_that_vanished_is_not_waited_for(settings: Settings) -> None:
    if settings.is_alone:
        return
    url = f"{settings.database}{'&' if '?' in settings.database else '?'}tcp_user_timeout=5000"
    changed = settings.model_copy(update={"database_url": url})
    with opened(changed) as store, store.database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        used = driver.info.get_parameters()
    assert (used["keepalives_idle"], used["tcp_user_timeout"]) == ("10", "5000")


def test_writer_waits_no_longer_than_its_call_may_take(store: Store) -> None:
    if not store.database.is_sqlite:
        return
    with store.database.write(), pytest.raises(DeadlineExceeded), within(0.05):
        job(store)
    assert job(store)["status"] == "created"


def test_store_opens_again(store: Store, settings: Settings) -> None:
    job_id = job(store)["id"]
    again = Store(settings)
    assert again.jobs.get(job_id)["id"] == job_id
    again.close()


def test_schema_is_what_the_tables_say(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_samples_by_page(store: Store) -> None:
    fence = claim(store, job(store)["id"]).fence
    store.samples.record(fence, [sample(i) for i in range(3)] + [sample(0, "b")], Standing())
    page = store.samples.page(fence.job_id, "qa", ListQuery(2, 2))
    assert page.total == 3
    assert page.entries[0] == {
        "task": "qa",
        "index": 2,
        "item": {"a": 1},
        "metrics": {"m": {"s": 1.0}},
    }
