"""Rows of tokens: found by digest while they hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from evald.domain import ids
from evald.domain.access import Caller, Role
from evald.domain.tokens import Token
from evald.errors import AlreadyExists, NotFound
from evald.store.store import Store
from evald.store.tokens import TokenStore

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(store: Store, clock: Clock) -> TokenStore:
    return TokenStore(store.database, clock=clock)


def made(name: str = "ci", **changes: Any) -> Token:
    given = {"role": Role.WRITER, "namespaces": frozenset({"b", "a"}), "created_at": START}
    return Token(ids.new_id(ids.TOKEN), name, **{**given, **changes})


def test_token_comes_back_as_it_was(tokens: TokenStore) -> None:
    first = made(expires_at=START + DAY)
    second = made("boss", role=Role.ADMIN, namespaces=None, created_at=START + DAY)
    tokens.add(second, "d2")
    tokens.add(first, "d1")
    assert tokens.all() == [first, second]
    assert tokens.caller("d1") == Caller("ci", Role.WRITER, frozenset({"a", "b"}))
    assert tokens.caller("d2") == Caller("boss", Role.ADMIN, None)
    assert tokens.caller("d3") is None


def test_no_namespaces_are_not_all(tokens: TokenStore) -> None:
    tokens.add(made(namespaces=frozenset()), "d")
    caller = tokens.caller("d")
    assert caller is not None
    assert not caller.sees("default")


def test_token_ends_when_it_expires(tokens: TokenStore, clock: Clock) -> None:
    tokens.add(made(expires_at=START + DAY), "d")
    assert tokens.caller("d") is not None
    clock.now = START + DAY
    assert tokens.caller("d") is None


@pytest.mark.parametrize("by", ["id", "name"])
def test_token_ends_when_it_is_revoked(tokens: TokenStore, clock: Clock, by: str) -> None:
    token, other = made(), made("other")
    tokens.add(token, "d")
    tokens.add(other, "o")
    clock.now = START + DAY
    assert tokens.revoke(getattr(token, by)).revoked_at == START + DAY
    assert tokens.caller("d") is None
    assert tokens.caller("o") is not None
    assert {t.name: t.revoked_at for t in tokens.all()} == {"ci": START + DAY, "other": None}
    with pytest.raises(NotFound, match="no token"):
        tokens.revoke(getattr(token, by))


def test_name_is_free_again_when_its_token_has_ended(tokens: TokenStore, clock: Clock) -> None:
    tokens.add(made(expires_at=START + DAY), "d1")
    with pytest.raises(AlreadyExists, match="revoke it, or choose another name"):
        tokens.add(made(), "d2")
    clock.now = START + DAY
    tokens.add(made(), "d2")
    tokens.revoke("ci")
    assert tokens.caller("d2") is None
    tokens.add(made(), "d3")
    assert tokens.caller("d3") is not None


def test_one_of_many_at_once_makes_a_token(tokens: TokenStore) -> None:
    """Else a revoked name would go on opening everything."""
    begin = Barrier(8)

    def add(number: int) -> bool:
        begin.wait()
        try:
            tokens.add(replace(made(), id=f"token-{number}"), f"digest-{number}")
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
