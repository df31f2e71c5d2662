"""What a service holds: memory, threads, open files, children, rows and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy import NullPool, create_engine, text

from tests.service import Service

MIB = 2**20

MOST_GROWTH = 1.1
SLACK = 32 * MIB

THREADS = 64
DESCRIPTORS = 128
"""More than all pools of the server can have."""

CHILDREN = 6
"""Envoy, a warm child, and one for each of two jobs and two live evaluations, kept for a while."""

LASTING = frozenset({"runs", "datasets/evaluation-results", "secret.key"})
"""Folders and files that are made once, when they are needed."""

TABLES = ("target", "config", "job", "job_event", "sample", "result")


@dataclass(frozen=True)
class Held:
    """What a service holds at one time. `rss` is in bytes and the server's own; `files` are those
    of its data dir and its temporary folder but for databases and logs."""

    rss: int
    threads: int
    descriptors: int
    children: int
    rows: dict[str, int]
    files: frozenset[str]

    def __str__(self) -> str:
        return (
            f"{self.rss / MIB:.0f} MiB, {self.threads} threads, {self.descriptors} descriptors, "
            f"{self.children} children, {sum(self.rows.values())} rows, {len(self.files)} files"
        )


def held(service: Service) -> Held:
    """What a service holds now."""
    server = psutil.Process(service.pid)
    files = {str(p.relative_to(service.data_dir)) for p in service.data_dir.rglob("*")}
    return Held(
        server.memory_info().rss,
        server.num_threads(),
        server.num_fds(),
        len(server.children(recursive=True)),
        rows(service),
        frozenset(name for name in files if not name.startswith(("evald.db", "envoy.log"))),
    )


def rows(service: Service) -> dict[str, int]:
    """Rows of each table that calls fill."""
    return {table: read(service, f"select count(*) from {table}")[0][0] for table in TABLES}


def ids(service: Service, table: str) -> set[str]:
    """Ids of the rows of a table."""
    return {found for (found,) in read(service, f"select id from {table}")}


def names(service: Service, table: str) -> list[tuple[str, str]]:
    """Namespaces and names of the rows of a table."""
    return read(service, f"select namespace, name from {table}")


def read(service: Service, query: str) -> list[Any]:
    """What a query finds in the service's database."""
    engine = create_engine(service.database, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def grown(first: Held, warm: Held, last: Held) -> list[str]:
    """What a service holds too much of at the end, when all that calls have made was deleted again.
    Memory fills as it is used, so it is measured against what was held after the warm-up."""
    found = []
    if last.rss > warm.rss * MOST_GROWTH + SLACK:
        found.append(f"memory: {warm.rss / MIB:.0f} MiB became {last.rss / MIB:.0f}")
    for name, most in (("threads", THREADS), ("descriptors", DESCRIPTORS), ("children", CHILDREN)):
        if (now := getattr(last, name)) > most:
            found.append(f"{name}: {getattr(first, name)} became {now}")
    if any(last.rows.values()):
        found.append(f"rows that nothing deletes: {last.rows}")
    if left := sorted(last.files - first.files - LASTING):
        found.append(f"files that nothing deletes: {left[:20]}")
    return found
