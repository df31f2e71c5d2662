"""Who may call which method."""

from __future__ import annotations

import re
from collections.abc import Iterable

from evald.domain.access import ANYONE, Caller, Role
from evald.domain.tokens import Tokens, digest, is_secret
from evald.errors import Unauthenticated

AUTHORIZATION = "authorization"

OPEN = "/grpc.health.v1.Health/"
"""What may be asked without a token."""

VERBS = {
    **dict.fromkeys(("Get", "List", "Watch", "Download", "Compare"), Role.READER),
    **dict.fromkeys(("Create", "Update", "Delete", "Cancel", "Evaluate"), Role.WRITER),
}
"""The role that a method needs, by the verb that its name begins with."""

ROLES = {"ServerReflectionInfo": Role.READER}
"""The role that a method without such a verb needs."""


def role_of(method: str) -> Role:
    """The role that `/service/Method` needs. Raises LookupError when nothing says so."""
    name = method.rpartition("/")[2]
    verb = re.match(r"[A-Z][a-z]+", name)
    return ROLES.get(name) or VERBS[verb[0] if verb else name]


class Gate:
    """Lets calls in. Without `tokens` everybody may do everything."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def admit(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        """Who calls a method. Raises Unauthenticated, or PermissionDenied when the role is too low.

        Asks the store each time, so that a token ends when it is revoked.
        """
        needed = role_of(method)
        if self._tokens is None:
            return ANYONE
        shown = [str(value) for key, value in metadata if key == AUTHORIZATION]
        if not shown:
            raise Unauthenticated
        scheme, _, secret = shown[0].partition(" ")
        if len(shown) > 1 or scheme.lower() != "bearer" or not is_secret(secret.strip()):
            raise Unauthenticated("the authorization must be one token: Bearer evald_...")
        caller = self._tokens.caller(digest(secret.strip()))
        if caller is None:
            raise Unauthenticated("this token is unknown, revoked or expired")
        caller.check_role(needed)
        return caller
