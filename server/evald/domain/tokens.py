"""Tokens: what callers show to say who they are."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from evald.domain import ids
from evald.domain.access import Caller, Role
from evald.domain.references import check_name
from evald.errors import InvalidArgument

PREFIX = "evald_"

SECRET_BYTES = 32

SECRET = re.compile(rf"{PREFIX}[{ids.ALPHABET}]{{44}}")


class Tokens(Protocol):
    """Where tokens are kept."""

    def caller(self, digest: str) -> Caller | None:
        """Whose token has that digest; None when it is not, or no longer, a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, as its keeper knows it: not its secret. `namespaces` None stands for all."""

    id: str
    name: str
    role: Role
    namespaces: frozenset[str] | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgument."""
        check_name(self.name, "name")
        if self.namespaces is None:
            return
        if self.role is Role.ADMIN:
            raise InvalidArgument.of("namespace", "an admin has every namespace; name none")
        for namespace in self.namespaces:
            check_name(namespace, "namespace")

    @property
    def caller(self) -> Caller:
        return Caller(self.name, self.role, self.namespaces)

    def holds(self, now: datetime) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_secret() -> str:
    """A fresh secret such as `evald_5Kd3NBUAdUnhyzenEwVLy9pBKxSwXvE9FMPyR4UKZvpe`."""
    number = int.from_bytes(secrets.token_bytes(SECRET_BYTES))
    return PREFIX + ids.base58(number, 44)


def digest(secret: str) -> str:
    """What is kept of a secret. One that nobody can guess needs no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(text: str) -> bool:
    """Whether a text has the form of a token's secret."""
    return SECRET.fullmatch(text) is not None


def roles() -> Collection[str]:
    """The names of the roles."""
    return [str(role) for role in Role]
