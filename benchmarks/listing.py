"""A page of 50 jobs with a filter, among a thousand jobs and among a million.

On SQLite, through the store as a call does it, each page in turns on both; medians. The count of
all entries is part of it: beyond 10,000 it is some seconds old.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import insert

from benchmarks.shared import table
from evald.domain import access
from evald.domain.listing import ListQuery
from evald.settings import Settings
from evald.store import pages
from evald.store.store import Store
from evald.store.tables import JobRow

COUNTS = (1_000, 1_000_000)
BATCH = 20_000
ROUNDS = 30
SORTS = ("created_at", "updated_at")
START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("completed", "completed", "completed", "failed", "cancelled", "running", "created")

REQUESTS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "newest first": {"sort": "-created_at"},
    "last changed first": {"sort": "-updated_at"},
    "namespace": {"filter": {"namespace": "team-3"}, "sort": "-created_at"},
    "namespace, last changed first": {
        "filter": {"namespace": "team-3"},
        "sort": "-updated_at",
    },
    "project": {"filter": {"project": "project-3"}, "sort": "-created_at"},
    "status": {"filter": {"status": "failed"}, "sort": "-created_at"},
    "target": {"filter": {"target": "team-3/target-3"}, "sort": "-created_at"},
    "config": {"filter": {"config": "team-3/config-3"}, "sort": "-created_at"},
    "created after": {"filter": {"created_at": {"gte": "2026-01-01T00:05:00"}}},
    "namespace and status": {
        "filter": {"namespace": "team-3", "status": "completed"},
        "sort": "-created_at",
    },
}


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Jobs of 20 namespaces, a second apart; each filter but status within a namespace finds at
    least 50 of a thousand."""
    for i in range(count):
        team, moment = f"team-{i % 20}", START + timedelta(seconds=i)
        target = {"id": f"t{i}", "namespace": team, "name": f"target-{i % 20}", "type": "rows"}
        config = {"id": f"c{i}", "namespace": team, "name": f"config-{i % 20}", "type": "custom"}
        yield {
            "id": f"eval-{i:08}",
            "namespace": team,
            "project": f"project-{i % 20}",
            "created_at": moment,
            "updated_at": moment,
            "target": target,
            "config": config,
            "target_id": target["id"],
            "config_id": config["id"],
            "target_ref": f"{team}/{target['name']}",
            "config_ref": f"{team}/{config['name']}",
            "status": STATUSES[i % len(STATUSES)],
        }


@contextmanager
def filled(count: int) -> Iterator[Store]:
    """A store of so many jobs."""
    with tempfile.TemporaryDirectory(prefix="evald-listing-") as folder:
        store = Store(Settings(data_dir=Path(folder)))
        batch: list[dict[str, Any]] = []
        for row in rows(count):
            batch.append(row)
            if len(batch) == min(BATCH, count):
                with store.database.write() as session:
                    session.execute(insert(JobRow), batch)
                batch.clear()
        try:
            yield store
        finally:
            store.close()


def milliseconds(store: Store, query: ListQuery) -> float:
    started = time.perf_counter()
    page = store.jobs.page(query)
    elapsed = (time.perf_counter() - started) * 1000
    assert page.entries, query
    return elapsed


def main() -> None:
    """Prints the medians and their ratios."""
    with access.acting(access.SERVER), filled(COUNTS[0]) as few, filled(COUNTS[1]) as many:
        lines = []
        for name, request in REQUESTS.items():
            query = ListQuery.parse({**request, "page_size": 50}, SORTS)
            for store in (few, many):
                milliseconds(store, query)
            times = [[milliseconds(s, query) for s in (few, many)] for _ in range(ROUNDS)]
            small, large = (statistics.median(t) for t in zip(*times, strict=True))
            lines.append([name, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f}"])
        asked = ListQuery.parse({"page_size": 50}, SORTS)
        token = asked.token(("2026-01-11T00:00:00.000000", "eval-00864000"))
        deep = ListQuery.parse({"page_size": 50, "page_token": token}, SORTS)
        print("milliseconds for a page of 50 jobs")
        table(["filter", *(f"{count:,}" for count in COUNTS), "ratio"], lines)
        milliseconds(many, deep)
        found = statistics.median(milliseconds(many, deep) for _ in range(ROUNDS))
        print(f"after the 864,000th job, by page token: {found:.2f}")
        anew = []
        for _ in range(ROUNDS):
            with patch.object(pages, "COUNT_SECONDS", 0):
                anew.append(milliseconds(many, asked))
        print(f"a page with all counted anew, once in {pages.COUNT_SECONDS:g} s: ", end="")
        print(f"{statistics.median(anew):.2f}")
