"""The `evald gpus` command. It reads the database, which knows all servers that use it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from evald.commands.table import show
from evald.domain import access
from evald.domain.documents import Document
from evald.settings import Settings

SERVERS = ("server", "host", "slots", "running", "GPUs", "sharing")
DEVICES = ("server", "GPU", "name", "GiB", "free", "jobs")
QUEUE = ("place", "job", "namespace", "priority", "why it waits")

QUEUE_LENGTH = 20
"""Jobs of the queue that are shown."""


def add(commands: Any, place: argparse.ArgumentParser) -> None:
    """Adds the command to a command line; `place` has the options of where the data is."""
    gpus = commands.add_parser(
        "gpus", parents=[place], help="show servers, GPUs, what runs on them and what waits"
    )
    gpus.add_argument("--json", action="store_true", help="print all of it, as JSON")
    gpus.set_defaults(run=_show)


def _show(settings: Settings, given: argparse.Namespace) -> int:
    from evald.domain.fleet import Fleet
    from evald.store.fleet import FleetStore
    from evald.store.migrate import opened

    with opened(settings.database) as database, access.acting(access.SERVER):
        fleet = Fleet(FleetStore(database)).describe()
    if given.json:
        print(json.dumps(fleet, indent=2))
        return 0
    if not fleet["servers"]:
        print("no server runs")
    for columns, rows in (
        (SERVERS, list(_servers(fleet))),
        (DEVICES, list(_devices(fleet))),
        (QUEUE, list(_queue(fleet))),
    ):
        if rows:
            show(columns, rows)
            print()
    running, waiting = len(fleet["leases"]), fleet["queue_size"]
    print(f"running: {running}, waiting: {waiting}")
    return 0


def _servers(fleet: Document) -> Iterator[tuple[str, ...]]:
    gpus = Counter(device["server"] for device in fleet["devices"])
    for server in fleet["servers"]:
        yield (
            server["id"],
            server["host"],
            str(server["slots"]),
            str(server["running"]),
            str(gpus[server["id"]]),
            "yes" if server["gpu_sharing"] else "no",
        )


def _devices(fleet: Document) -> Iterator[tuple[str, ...]]:
    for device in fleet["devices"]:
        jobs = [
            lease["job"]
            for lease in fleet["leases"]
            if lease["server"] == device["server"] and device["id"] in lease["devices"]
        ]
        yield (
            device["server"],
            str(device["index"]),
            device["name"],
            f"{device['memory']:g}",
            f"{device['free_memory']:g}",
            ", ".join(jobs) or "-",
        )


def _queue(fleet: Document) -> Iterator[tuple[str, ...]]:
    for job in fleet["queue"][:QUEUE_LENGTH]:
        yield (
            str(job["position"]),
            job["job"],
            job["namespace"],
            str(job["priority"]),
            job["reason"],
        )
