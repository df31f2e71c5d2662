"""Pages cost about the same among however many rows, on both databases."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text, update
from sqlmodel import col

from evald.domain import ids
from evald.domain.access import Caller, Role, acting
from evald.domain.documents import Maker
from evald.domain.listing import ListQuery
from evald.domain.references import Reference
from evald.store import facts, pages, plans
from evald.store.store import Store
from evald.store.tables import Entity, JobRow, TargetRow

MANY = 300
SORTS = ("created_at", "-created_at", "updated_at", "-updated_at")
START = datetime(2026, 1, 1, tzinfo=UTC)


def jobs(store: Store) -> list[dict[str, Any]]:
    """Jobs of two namespaces and three projects; one in a hundred is rare in several ways."""
    made = []
    for i in range(MANY):
        rare = i % 100 == 50
        name = "rare" if rare else f"t{i % 3}"
        target = {
            "type": "model" if rare else "rows",
            "model": {"name": "own", "api_endpoint": {"url": "http://h", "model_id": "m"}},
            "name": name,
            "namespace": "ns",
            "custom_fields": {"kind": name},
        }
        made.append(
            {
                "id": f"eval-{i:04}",
                "namespace": f"n{i % 2}",
                "project": "rare" if rare else f"p{i % 3}",
                "custom_fields": {"n": i % 5, "rare": True} if rare else {"n": i % 5},
                "target": Maker().entity(target, ids.TARGET),
                "config": Maker().entity({"type": "custom", "name": "c"}, ids.CONFIG),
                "created_at": START + timedelta(seconds=i // 2),
                "updated_at": START + timedelta(seconds=(i * 7919) % MANY),
            }
        )
        store.jobs.add(made[-1])
    with store.database.write() as session:  # which a new job has by itself
        for job in made:
            changed = update(JobRow).where(col(JobRow.id) == job["id"])
            session.execute(changed.values(updated_at=job["updated_at"]))
    return made


FILTERS: list[dict[str, Any]] = [
    {},
    {"namespace": "n0"},
    {"namespace": "n0", "project": "p1"},
    {"namespace": "n1", "project": "rare"},
    {"namespace": "n0", "status": "created"},
    {"namespace": "n0", "status": "created", "project": "p1"},
    {"project": "p1", "status": "failed"},
    {"project": "rare"},
    {"status": "created", "project": "p2"},
    {"target": "ns/rare"},
    {"target": "ns/t1", "config": "default/c"},
    {"target": {"name": "rare"}},
    {"target": {"name": "t1", "type": "rows"}, "namespace": "n1"},
    {"target": {"name": "t1"}, "config": {"name": "c", "type": "custom", "namespace": "default"}},
    {"target": {"custom_fields": ["kind=rare"]}},
    {"target": {"model": "own"}, "project": "rare"},
    {"target": {"model": "m", "namespace": "ns"}},
    {"custom_fields": ["n=3"]},
    {"custom_fields": ["n=3", "rare=true"], "namespace": "n0"},
    {"custom_fields": ["n=none"]},
    {"custom_fields": ["n=3"], "created_at": {"gte": "2026-01-01T00:01", "lt": "2026-01-01T00:02"}},
    {"created_at": {"gte": "2026-01-01T00:02:28"}},
]


def found(job: dict[str, Any], filter: dict[str, Any]) -> bool:
    """What a filter means."""
    for field, wanted in filter.items():
        if field == "custom_fields":
            pairs = (pair.split("=") for pair in wanted)
            texts = {k: json.dumps(v).strip('"') for k, v in job["custom_fields"].items()}
            good = all(texts.get(key) == value for key, value in pairs)
        elif field == "created_at":
            moment = job["created_at"].isoformat()
            good = moment >= wanted["gte"] and ("lt" not in wanted or moment < wanted["lt"])
        elif field == "status":
            good = wanted == "created"
        elif field == "model":
            good = wanted in ("own", "m")
        elif isinstance(wanted, dict):
            good = found(job[field], wanted)
        elif field in ("target", "config"):
            good = wanted == f"{job[field]['namespace']}/{job[field]['name']}"
        else:
            good = job[field] == wanted
        if not good:
            return False
    return True


@pytest.fixture(scope="module")
def kept(shared_store: Store) -> tuple[Store, list[dict[str, Any]]]:
    return shared_store, jobs(shared_store)


@pytest.mark.parametrize("few", [1, 20, 1000])
@pytest.mark.parametrize("sort", SORTS)
def test_every_plan_finds_the_same(
    kept: tuple[Store, list[dict[str, Any]]], few: int, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = kept
    monkeypatch.setattr(plans, "FEW", few)
    monkeypatch.setattr(pages, "COUNT_SECONDS", 0)
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    for filter in FILTERS:
        expected = [job for job in made if found(job, filter)]
        expected.sort(key=lambda job: (job[key], job["id"]), reverse=descending)
        asked = {"filter": filter, "sort": sort, "page_size": 40}
        query = ListQuery.parse(asked, SORTS[::2])
        seen: list[str] = []
        while True:
            page = store.jobs.page(query)
            assert page.total == len(expected), filter
            seen += [entry["id"] for entry in page.entries]
            if page.last is None:
                break
            token = query.token(page.last)
            query = ListQuery.parse({**asked, "page_token": token}, SORTS[::2])
        assert seen == [job["id"] for job in expected], filter


@pytest.mark.parametrize(
    ("namespaces", "asked", "total"),
    [
        ({"n0"}, None, MANY // 2),
        ({"n0", "n1"}, None, MANY),
        ({"n0", "other"}, None, MANY // 2),
        (set(), None, 0),
        ({"n0"}, "n0", MANY // 2),
        ({"n0", "other"}, "n1", 0),
    ],
)
def test_a_caller_sees_its_own(
    kept: tuple[Store, list[dict[str, Any]]], namespaces: set[str], asked: str | None, total: int
) -> None:
    filter = {"namespace": asked} if asked else {}
    with acting(Caller("t", Role.READER, frozenset(namespaces))):
        for sort in SORTS:
            assert kept[0].jobs.page(ListQuery(sort=sort, filter=filter)).total == total


@pytest.mark.parametrize("sort", SORTS)
def test_no_page_of_equal_values_looks_through_all_rows(store: Store, sort: str) -> None:
    """SQLite says how it reads: by an index of what is asked for, in order, or a few rows."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL reads small tables whole")
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, given: Any, *_rest: Any) -> None:
        statements.append((statement, given))

    jobs(store)
    event.listen(store.database.engine, "before_cursor_execute", note)
    for filter in FILTERS[1:]:
        store.jobs.page(ListQuery(filter=filter, sort=sort, page_size=5))
    event.remove(store.database.engine, "before_cursor_execute", note)
    with store.database.engine.connect() as connection:
        for statement, given in statements:
            rows = connection.exec_driver_sql(f"explain query plan {statement}", given).all()
            for *_, step in rows:
                assert not re.search(r"^SCAN (job|job_fact)\b", step), (statement, step)


def facts_of(store: Store, row: type[Entity]) -> set[bytes]:
    with store.database.read() as session:
        table = facts.TABLES[row]
        return {
            found for (found,) in session.execute(table.select().with_only_columns(table.c.fact))
        }


def test_facts_change_and_go_with_their_rows(store: Store) -> None:
    target = {"type": "model", "model": "a/b", "name": "n", "custom_fields": {"k": 1, "l": "x"}}
    store.targets.add(Maker().entity(target, ids.TARGET))
    old = {facts.custom_field("k=1"), facts.custom_field("l=x"), facts.fact("model", "a/b")}
    assert facts_of(store, TargetRow) == old
    changed = {"custom_fields": {"k": [1, {"a": None}]}, "model": "c"}
    store.targets.update(Reference("default", "n"), lambda kept: {**kept, **changed})
    new = {facts.custom_field('k=[1,{"a":null}]'), facts.fact("model", "c")}
    assert facts_of(store, TargetRow) == new
    for filter, total in (({"model": "a/b"}, 0), ({"custom_fields": ["k=1"]}, 0)):
        assert store.targets.page(ListQuery(filter=filter)).total == total
    assert store.targets.page(ListQuery(filter={"model": "c"})).total == 1
    store.targets.delete(Reference("default", "n"))
    assert facts_of(store, TargetRow) == set()
    jobs(store)
    assert facts_of(store, JobRow)
    with store.database.write() as session:
        session.execute(text("delete from job"))
    assert facts_of(store, JobRow) == set()
