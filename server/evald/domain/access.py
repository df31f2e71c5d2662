"""Who calls, and what that caller may do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import unquote

from evald.domain.datasets import files_url
from evald.errors import PermissionDenied
from evald.fields import NAMED

STORED = re.compile(r"hf:/+(?:(?:datasets|models)(?:/+|$))?([^/]*)")
"""A URL of what is stored: data sets and checkpoints, with the namespace."""

FREE = frozenset({"rows", "custom_fields"})
"""Members that hold data, which nobody follows."""


class Role(IntEnum):
    """What a caller may do; each role may do what those before it may."""

    READER = 1
    """Looks at things."""

    WRITER = 2
    """Makes, changes, runs and deletes them."""

    ADMIN = 3
    """The same, in every namespace."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: what a log line says of it, its role, and its namespaces; None stands for all."""

    name: str
    role: Role
    namespaces: frozenset[str] | None = None

    def sees(self, namespace: str) -> bool:
        """Whether what is in a namespace is there for this caller."""
        return self.namespaces is None or namespace in self.namespaces

    def check_namespace(self, namespace: str, field: str = "namespace") -> None:
        """Raises PermissionDenied unless this caller may use a namespace."""
        if not self.sees(namespace):
            own = ", ".join(sorted(self.namespaces or ()))
            raise PermissionDenied(
                f"{field}: this token is not for namespace {namespace!r}, but for {own}"
            )

    def check_role(self, needed: Role) -> None:
        """Raises PermissionDenied unless this caller's role is enough."""
        if self.role < needed:
            raise PermissionDenied(
                f"this takes a token with the role {needed}; this one's is {self.role}"
            )


ANYONE = Caller("anyone", Role.ADMIN)
"""Who calls a server without authentication."""

SERVER = Caller("server", Role.ADMIN)
"""The server itself, where it looks at things as callers do. The executor need not: the queue,
which is its side of the store, asks for no caller."""

# Without a default: whoever forgets to say on whose behalf it works gets an error, not everything.
_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """On whose behalf this thread or task works. Raises LookupError when nobody has said so."""
    return _caller.get()


def bind(caller: Caller) -> None:
    """Says on whose behalf the rest of this task works, and the threads that it sends work to."""
    _caller.set(caller)


@contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """The block works on behalf of a caller."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def check_data(
    document: Any,
    store: str | None = None,
    path: str = "",
    *,
    named: bool = False,
    model: bool = False,
) -> None:
    """Raises PermissionDenied when a document names a data set or a checkpoint in a namespace that
    is not the caller's, or InvalidArgument when what it names is no data set.

    What lies behind an endpoint of its own is that endpoint's affair, unless that is our `store`,
    or what is named is of a model, which has no such endpoint.
    """
    if caller().namespaces is None:
        return
    if isinstance(document, Mapping):
        endpoint = document.get("hf_endpoint")
        elsewhere = endpoint and not model and not _is_same(endpoint, store)
        for key, value in document.items():
            below = f"{path}.{key}" if path else str(key)
            if not named and key == "dataset" and isinstance(value, str):
                value = files_url(value, below)
            if named or not (key in FREE or (key == "files_url" and elsewhere)):
                is_model = not named and key == "artifact"
                is_named = not named and key in NAMED
                check_data(value, store, below, named=is_named, model=is_model)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            check_data(value, store, f"{path}.{index}")
    elif isinstance(document, str) and (stored := STORED.match(document)):
        caller().check_namespace(unquote(stored[1]), path)


def _is_same(endpoint: Any, store: str | None) -> bool:
    return store is not None and str(endpoint).rstrip("/") == store.rstrip("/")
