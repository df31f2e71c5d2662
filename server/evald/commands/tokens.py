"""The `evald tokens` commands. They write into the database, also while the server runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from evald.commands.table import show
from evald.domain import ids, tokens
from evald.domain.access import Role
from evald.domain.tokens import Token
from evald.errors import InvalidArgument
from evald.settings import Settings

if TYPE_CHECKING:
    from evald.store.tokens import TokenStore

COLUMNS = ("id", "name", "role", "namespaces", "created", "expires", "revoked")

MAX_DAYS = 36500


def add(commands: Any, place: argparse.ArgumentParser) -> None:
    """Adds the commands to a command line; `place` has the options of where the data is."""
    top = commands.add_parser("tokens", help="create, list and revoke access tokens")
    actions = top.add_subparsers(metavar="action", required=True)

    create = actions.add_parser(
        "create", parents=[place], help="create a token and print it, this once"
    )
    create.add_argument("name", metavar="NAME", help="name of the token, shown in logs and lists")
    create.add_argument(
        "--role",
        required=True,
        choices=tokens.roles(),
        help="reader: look; writer: also make, change, run and delete; admin: in every namespace",
    )
    create.add_argument(
        "--namespace",
        dest="namespaces",
        metavar="NS",
        action="extend",
        nargs="+",
        help="a namespace that it is for (default: all)",
    )
    create.add_argument("--expires-days", metavar="N", type=int, help="days that it lasts")
    create.set_defaults(run=_create)

    listed = actions.add_parser("list", parents=[place], help="list all tokens, without secrets")
    listed.set_defaults(run=_list)

    revoke = actions.add_parser("revoke", parents=[place], help="revoke a token immediately")
    revoke.add_argument("name", metavar="ID_OR_NAME")
    revoke.set_defaults(run=_revoke)


def _create(settings: Settings, given: argparse.Namespace) -> int:
    days = given.expires_days
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InvalidArgument.of("--expires-days", f"{days} is not within 1 and {MAX_DAYS}")
    now = datetime.now(UTC)
    token = Token(
        ids.new_id(ids.TOKEN),
        given.name,
        Role[given.role.upper()],
        frozenset(given.namespaces) if given.namespaces else None,
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    secret = tokens.new_secret()
    with _store(settings) as store:
        store.add(token, tokens.digest(secret))
    print(secret)
    print(f"{token.id}: keep it safe, it is not shown again", file=sys.stderr)
    return 0


def _list(settings: Settings, given: argparse.Namespace) -> int:
    with _store(settings) as store:
        show(COLUMNS, map(_row, store.all()))
    return 0


def _revoke(settings: Settings, given: argparse.Namespace) -> int:
    with _store(settings) as store:
        token = store.revoke(given.name)
    print(f"{token.id} ({token.name}) is revoked")
    return 0


def _row(token: Token) -> tuple[str, ...]:
    namespaces = "all" if token.namespaces is None else ",".join(sorted(token.namespaces))
    times = (token.created_at, token.expires_at, token.revoked_at)
    shown = (f"{time:%Y-%m-%d %H:%M}Z" if time else "-" for time in times)
    return (token.id, token.name, str(token.role), namespaces, *shown)


@contextmanager
def _store(settings: Settings) -> Iterator[TokenStore]:
    from evald.store.migrate import opened
    from evald.store.tokens import TokenStore

    with opened(settings.database) as database:
        yield TokenStore(database)
