"""Rows of tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import Session, col

from evald.domain.access import Caller, Role
from evald.domain.tokens import Token
from evald.errors import AlreadyExists, NotFound
from evald.store.columns import now
from evald.store.engine import Database
from evald.store.tables import TokenRow

TOKEN_LOCK = 5170135
"""Of the locks of PostgreSQL, the class of those on a token's name."""


class TokenStore:
    """Keeps tokens, and of their secrets the digests."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def add(self, token: Token, digest: str) -> None:
        """Raises AlreadyExists when a token of that name holds."""
        with self._database.write() as session:
            self._database.lock(session, TOKEN_LOCK, token.name)
            if any(found.holds(self._clock()) for found in self._find(session, token.name)):
                raise AlreadyExists(
                    f"a token {token.name!r} exists already; revoke it, or choose another name"
                )
            session.add(
                TokenRow(
                    id=token.id,
                    name=token.name,
                    role=str(token.role),
                    namespaces=None if token.namespaces is None else sorted(token.namespaces),
                    digest=digest,
                    created_at=token.created_at,
                    expires_at=token.expires_at,
                )
            )

    def caller(self, digest: str) -> Caller | None:
        """Whose token has that digest; None when it is not, or no longer, a token."""
        # Found by the index of a hash, so the time that it takes tells nothing of any secret.
        with self._database.read() as session:
            row = session.scalars(select(TokenRow).where(TokenRow.digest == digest)).first()
        token = row and _token(row)
        return token.caller if token and token.holds(self._clock()) else None

    def all(self) -> list[Token]:
        """All tokens, oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(TokenRow).order_by(col(TokenRow.created_at), TokenRow.id))
            return [_token(row) for row in rows]

    def revoke(self, name: str) -> Token:
        """Ends the token of that id or name at once, and any other of that name. Raises
        NotFound."""
        with self._database.write() as session:
            moment = self._clock()
            found = [token for token in self._find(session, name) if token.holds(moment)]
            if not found:
                raise NotFound(f"no token {name!r} is in force; `evald tokens list` shows all")
            for token in found:
                session.get_one(TokenRow, token.id).revoked_at = moment
            return replace(found[0], revoked_at=moment)

    def _find(self, session: Session, name: str) -> list[Token]:
        """The tokens of that id or name."""
        matching = select(TokenRow).where(or_(TokenRow.id == name, TokenRow.name == name))
        return [_token(row) for row in session.scalars(matching)]


def _token(row: TokenRow) -> Token:
    return Token(
        row.id,
        row.name,
        Role[row.role.upper()],
        None if row.namespaces is None else frozenset(row.namespaces),
        row.created_at,
        row.expires_at,
        row.revoked_at,
    )
