"""Lists over gRPC: walked by their tokens, and what they show of many or long rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from evald.domain.attempts import Standing, StoredSample
from evald.settings import Settings
from evald.store.members import LISTED_BYTES, LISTED_ROWS
from evald.store.store import Store
from evaluation.v1 import (
    config_service_pb2,
    job_pb2,
    job_service_pb2,
    result_service_pb2,
    target_pb2,
    target_service_pb2,
)
from tests.rpc.calls import Stubs, custom_config, detail, error_of, rows_target
from tests.rpc.test_compare import Evaluations
from tests.store import conftest

postgresql = conftest.postgresql
COUNT = 7


@pytest.fixture(params=conftest.DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    with conftest.fresh(request.param, request, tmp_path) as settings:
        yield settings.model_copy(update={"grpc_port": 0})


def create(stubs: Stubs, name: str, rows: list[dict[str, Any]] | None = None) -> target_pb2.Target:
    target = rows_target(namespace="ns", name=name)
    if rows is not None:
        del target.rows[:]
        for row in rows:
            target.rows.add().update(row)
    request = target_service_pb2.CreateTargetRequest(target=target)
    return stubs.targets.CreateTarget(request)


@pytest.fixture
def lists(stubs: Stubs, store: Store) -> dict[str, tuple[Any, Any]]:
    """Each list of seven entries: what is called, and what it is asked."""
    evaluations = Evaluations(stubs, store)
    for i in range(COUNT):
        create(stubs, f"t{i}")
        config = custom_config(namespace="ns", name=f"c{i}")
        stubs.configs.CreateConfig(config_service_pb2.CreateConfigRequest(config=config))
    jobs = [evaluations.complete([float(i) for i in range(COUNT)]) for _ in range(COUNT)]
    samples = job_service_pb2.ListJobSamplesRequest(job_id=jobs[0])
    return {
        "targets": (stubs.targets.ListTargets, target_service_pb2.ListTargetsRequest()),
        "configs": (stubs.configs.ListConfigs, config_service_pb2.ListConfigsRequest()),
        "jobs": (stubs.jobs.ListJobs, job_service_pb2.ListJobsRequest()),
        "results": (stubs.results.ListResults, result_service_pb2.ListResultsRequest()),
        "samples": (stubs.jobs.ListJobSamples, samples),
    }


def keys(page: Any) -> list[Any]:
    return [entry.index if hasattr(entry, "index") else entry.id for entry in page.data]


@pytest.mark.parametrize("page_size", [1, 3, COUNT, 100])
def test_a_walk_by_tokens_meets_every_entry_once(
    lists: dict[str, tuple[Any, Any]], page_size: int
) -> None:
    for kind, (call, request) in lists.items():
        for sort in ("", "-created_at") if kind != "samples" else ("",):
            if sort:
                request.sort = sort
            whole = keys(call(request))
            assert len(whole) == COUNT
            request.page_size = page_size
            pages = []
            while not pages or request.page_token:
                page = call(request)
                pages.append(keys(page))
                assert page.pagination.page == len(pages)
                assert page.pagination.total_results == COUNT
                request.page_token = page.next_page_token
                assert page.HasField("next_page_token") == bool(request.page_token)
            assert [key for page in pages for key in page] == whole, kind
            assert [len(page) for page in pages[:-1]] == [page_size] * (len(pages) - 1)
            for field in ("page_token", "page_size"):
                request.ClearField(field)


def test_a_token_is_of_one_list(lists: dict[str, tuple[Any, Any]]) -> None:
    call, request = lists["targets"]
    request.page_size = 2
    token = call(request).next_page_token
    others = [(other, asked) for kind, (other, asked) in lists.items() if kind == "samples"]
    others.append((call, target_service_pb2.ListTargetsRequest(sort="name")))
    others.append((call, target_service_pb2.ListTargetsRequest(page=2)))
    for other, asked in others:
        asked.page_token = token
        _, status = error_of(other, asked)
        bad = detail(status, error_details_pb2.BadRequest)
        assert [violation.field for violation in bad.field_violations] == ["page_token"]


def test_what_comes_and_goes_leaves_no_gap(stubs: Stubs) -> None:
    for name in "bdfh":
        create(stubs, name)
    request = target_service_pb2.ListTargetsRequest(sort="name", page_size=2)
    first = stubs.targets.ListTargets(request)
    delete = target_service_pb2.DeleteTargetRequest(namespace="ns", name="b")
    stubs.targets.DeleteTarget(delete)
    create(stubs, "a")
    create(stubs, "e")
    request.page_token = first.next_page_token
    second = stubs.targets.ListTargets(request)
    assert [target.name for page in (first, second) for target in page.data] == list("bdef")


ROW = len('{"a": ""}')  # as both databases write it, or a byte shorter
SHORT = {"a": "x"}


def row(size: int) -> dict[str, Any]:
    """A row of so many bytes as JSON, with characters of two bytes."""
    return {"a": "é" * ((size - ROW) // 2)}


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([SHORT] * LISTED_ROWS, LISTED_ROWS),
        ([SHORT] * (LISTED_ROWS + 1), LISTED_ROWS),
        ([row(LISTED_BYTES)], 1),
        ([row(LISTED_BYTES + 16)], 0),
        ([row(LISTED_BYTES // 4)] * 4, 4),
        ([row(LISTED_BYTES // 4)] * 5, 4),
        ([row(LISTED_BYTES // 4 + 16)] * 4, 3),
        ([SHORT, row(LISTED_BYTES), SHORT], 1),
        ([row(10_000)] * 100, 6),
    ],
)
def test_lists_show_the_first_rows(stubs: Stubs, rows: list[dict[str, Any]], shown: int) -> None:
    whole = create(stubs, "t", rows)
    assert [len(whole.rows), whole.HasField("row_count")] == [len(rows), False]
    job = job_pb2.Job(target="ns/t", inline_config=custom_config())
    stubs.jobs.CreateJob(job_service_pb2.CreateJobRequest(job=job))
    (target,) = stubs.targets.ListTargets(target_service_pb2.ListTargetsRequest()).data
    (listed,) = stubs.jobs.ListJobs(job_service_pb2.ListJobsRequest()).data
    for found in (target, listed.inline_target):
        assert list(found.rows) == list(whole.rows)[:shown]
        assert found.HasField("row_count") == (shown < len(rows))
        assert found.row_count == (len(rows) if shown < len(rows) else 0)
    get = target_service_pb2.GetTargetRequest(namespace="ns", name="t")
    assert stubs.targets.GetTarget(get) == whole


def test_other_long_fields_cut_no_rows(stubs: Stubs) -> None:
    target = rows_target(name="t", description="x" * 2 * LISTED_BYTES)
    made = stubs.targets.CreateTarget(target_service_pb2.CreateTargetRequest(target=target))
    (listed,) = stubs.targets.ListTargets(target_service_pb2.ListTargetsRequest()).data
    assert listed == made
    model = target_pb2.Target(type=target_pb2.TARGET_TYPE_MODEL, model="m", name="m")
    model.description = target.description
    made = stubs.targets.CreateTarget(target_service_pb2.CreateTargetRequest(target=model))
    listed = stubs.targets.ListTargets(target_service_pb2.ListTargetsRequest()).data[1]
    assert listed == made


def test_samples_that_failed(stubs: Stubs, store: Store) -> None:
    """Of a job with many, those are what one looks for first."""
    evaluations = Evaluations(stubs, store)
    claim = evaluations.start()
    batch = [
        StoredSample(
            task="qa",
            index=index,
            item="{}",
            sample=None,
            scores="{}",
            parts=None,
            error='{"kind": "http", "message": "500"}' if index % 3 == 0 else None,
        )
        for index in range(COUNT)
    ]
    store.samples.record(claim.fence, batch, Standing())
    for failed, wanted in {None: 7, True: 3, False: 4}.items():
        asked = job_service_pb2.ListJobSamplesRequest(
            job_id=claim.fence.job_id, failed=failed, page_size=2
        )
        found = []
        while True:
            page = stubs.jobs.ListJobSamples(asked)
            assert page.pagination.total_results == wanted
            found += keys(page)
            if not page.next_page_token:
                break
            asked.page_token = page.next_page_token
        assert len(found) == len(set(found)) == wanted
        assert all((index % 3 == 0) is failed for index in found if failed is not None)
