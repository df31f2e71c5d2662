"""The `evald datasets` commands. They work on the embedded store of a data dir."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from evald.commands.table import show
from evald.settings import Settings

COLUMNS = ("data set", "files", "MB", "changed")


def add(commands: Any, place: argparse.ArgumentParser) -> None:
    """Adds the commands to a command line; `place` has the options of where the data is."""
    datasets = commands.add_parser("datasets", help="keep data sets in the embedded store")
    actions = datasets.add_subparsers(metavar="action", required=True)
    put = actions.add_parser(
        "put",
        parents=[place],
        help="store files as a data set, readable as hf://datasets/NAMESPACE/NAME",
        description="Stores files in the data dir, which must be the server's. A folder is stored "
        "with all that is in it, under its own name; `.` without one. Files of the same names are "
        "replaced, others stay.",
    )
    put.add_argument("name", metavar="NAMESPACE/NAME")
    put.add_argument("files", metavar="PATH", nargs="+", type=Path)
    put.set_defaults(run=_put)

    listing = actions.add_parser(
        "list",
        parents=[place],
        help="list the data sets that are stored (files of jobs only with the namespace "
        "evaluation-results)",
    )
    listing.add_argument("namespace", metavar="NAMESPACE", nargs="?")
    listing.set_defaults(run=_list)

    delete = actions.add_parser(
        "delete", parents=[place], help="delete a data set, or a file or folder of it"
    )
    delete.add_argument("name", metavar="NAMESPACE/NAME[/PATH]")
    delete.set_defaults(run=_delete)


def _put(settings: Settings, given: argparse.Namespace) -> int:
    from evald.clients.embedded import folder_of, put

    if not settings.data_dir.exists():
        print(f"{settings.data_dir.resolve()} is made; is it the server's?", file=sys.stderr)
    print(put(settings.data_dir, given.name, given.files))
    folder = folder_of(settings.data_dir.resolve(), given.name)
    names = ", ".join(sorted(f"{p.name}/" if p.is_dir() else p.name for p in folder.iterdir()))
    print(f"{folder} holds {names}", file=sys.stderr)
    return 0


def _list(settings: Settings, given: argparse.Namespace) -> int:
    from evald.clients import artifacts
    from evald.clients.embedded import stored

    def asked_for(namespace: str) -> bool:
        if given.namespace:
            return bool(namespace == given.namespace)
        return namespace != artifacts.NAMESPACE

    found = [d for d in stored(settings.data_dir) if asked_for(d.name.partition("/")[0])]
    if found:
        show(
            COLUMNS,
            [
                (d.url, str(d.files), f"{d.size / 1e6:.1f}", f"{d.changed_at:%Y-%m-%d %H:%M}")
                for d in found
            ],
        )
    else:
        print(
            f"no data sets in {settings.data_dir.resolve()}; store some with evald datasets put, "
            "or name the server's --data-dir",
            file=sys.stderr,
        )
    return 0


def _delete(settings: Settings, given: argparse.Namespace) -> int:
    from evald.clients.embedded import SCHEME, delete

    url = SCHEME + given.name.removeprefix(SCHEME)
    delete(settings.data_dir, url)
    print(f"{url} is deleted", file=sys.stderr)
    return 0
