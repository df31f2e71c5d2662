"""Secrets in documents: which fields hold them, and how they are hidden, kept and read.

A secret is given by value, or as a reference `env:NAME` or `file:PATH`. Values are stored as
`enc:v1:...`, encrypted under a key file of the data dir; references are stored as they are and
followed when a job is launched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote, unquote_plus

from evald.clients.redact import MASK
from evald.fields import NAMED

SEALED = "enc:v1:"

LAST_WORDS = frozenset({
    "apikey", "authorization", "bearer", "cookie", "credential", "credentials", "passphrase",
    "passwd", "password", "passwords", "pwd", "secret", "secrets",
})  # fmt: skip
"""A field is secret when its name ends in one of these words."""

KEY_KINDS = frozenset({
    "access", "account", "api", "auth", "encryption", "license", "private", "secret", "service",
    "shared", "signing",
})  # fmt: skip
"""A field ending in `key` is secret when one of these stands before it."""

PLAIN_TOKENS = frozenset({
    "begin", "bos", "cls", "end", "eos", "first", "image", "last", "mask", "max", "min", "next",
    "of", "pad", "per", "sep", "special", "start", "stop", "think", "unk",
})  # fmt: skip
"""A field ending in `token` is secret unless one of these stands before it: these are tokens of
a tokenizer."""

IN_URLS = frozenset({"code", "key", "sig", "signature", "subscription-key", "token"})
"""Parameters of a URL that hold a secret, besides those whose names say so anywhere."""

FREE = frozenset({"rows"})
"""Members that hold data, where a field called `token` is a word."""

REMEMBERED = 64
"""Characters of the longest name of a field that is remembered."""

D = TypeVar("D")

Keys = tuple[str | int, ...]
"""Where something is in a document."""


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret: `api_key`, `hfToken`, but not `max_tokens`."""
    # Whoever sends documents must not be able to fill the memory with their names.
    return _known(name) if len(name) <= REMEMBERED else _tells(name)


def _tells(name: str) -> bool:
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3_\2", name)
    *before, last = re.split(r"[^a-z0-9]+", spaced.lower().strip("_-. ")) or [""]
    previous = before[-1] if before else ""
    if last in LAST_WORDS:
        return True
    if last in ("key", "keys"):
        return previous in KEY_KINDS
    return last == "token" and previous not in PLAIN_TOKENS


_known = lru_cache(maxsize=4096)(_tells)


def mask(document: D) -> D:
    """A document with `******` for every secret; what is not given stays not given."""
    return changed(document, lambda value, path: MASK)


def secret_values(document: Any) -> frozenset[str]:
    """The secrets of an unsealed document, keys in URLs as well, for `redact`; of `env:NAME` what
    it stands for."""
    found = {secret for url in _urls(document) for secret in url_secrets(url)}

    def collect(value: Any, path: Keys = ()) -> Any:
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                collect(item)
        elif isinstance(value, str) and value.startswith("env:"):
            found.add(os.environ.get(value.removeprefix("env:"), ""))
        elif value != MASK and not str(value).startswith(("file:", SEALED)):
            found.add(str(value))
        return value

    changed(document, collect)
    return frozenset(found - {""})


def url_secrets(url: str) -> frozenset[str]:
    """The secrets in the query of a URL, such as `?api_key=...` or `?key=...`, as they stand there
    and as they are meant."""
    found: set[str] = set()
    for pair in url.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if unquote(name).lower() in IN_URLS or is_secret(unquote(name)):
            found |= {value, unquote(value), unquote_plus(value)}
    return frozenset(found - {""})


def _urls(value: Any, *, named: bool = False) -> Iterator[str]:
    """The URLs with a query in a document, data apart."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if named or key not in FREE:
                yield from _urls(member, named=not named and key in NAMED)
    elif isinstance(value, list):
        for item in value:
            yield from _urls(item)
    elif isinstance(value, str) and re.match(r"https?://[^\s?]*\?", value, re.IGNORECASE):
        yield value


def given(value: Any) -> bool:
    return not isinstance(value, bool) and value not in (None, "", [], {})


def changed(
    document: D, change: Callable[[Any, Keys], Any], path: Keys = (), *, named: bool = False
) -> D:
    """A copy with `change` applied to the value and the path of each secret field that has one.
    Where keys are names that users made up, what has a name is an object: a text is a secret."""
    copy: Any
    if isinstance(document, Mapping):
        copy = {
            key: change(value, (*path, key))
            if (not named or isinstance(value, str)) and is_secret(str(key)) and given(value)
            else value
            if not named and key in FREE
            else changed(value, change, (*path, key), named=not named and key in NAMED)
            for key, value in document.items()
        }
    elif isinstance(document, list):
        copy = [changed(item, change, (*path, index)) for index, item in enumerate(document)]
    else:
        copy = document
    return copy  # type: ignore[no-any-return]
