"""Names of entities, and references to them: `namespace/name`."""

from __future__ import annotations

import re
from typing import NamedTuple

from evald.errors import InvalidArgument

DEFAULT_NAMESPACE = "default"

_NAME = re.compile(r"[^\s/\x00-\x1f]{1,255}")


class Reference(NamedTuple):
    """Where a named entity is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse_reference(text: str, field: str) -> Reference:
    """Reads `namespace/name`; a bare name is in the default namespace.

    Raises InvalidArgument naming `field`.
    """
    namespace, slash, name = text.partition("/")
    if not slash:
        namespace, name = DEFAULT_NAMESPACE, text
    check_name(namespace, field)
    check_name(name, field)
    return Reference(namespace, name)


def check_name(name: str, field: str) -> None:
    """Raises InvalidArgument unless `name` can stand in a path."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument.of(
            field, f"{name[:80]!r} is not a name: use 1 to 255 characters without spaces or '/'"
        )
