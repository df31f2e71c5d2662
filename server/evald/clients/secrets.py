"""Secrets in documents: which fields hold them, and how they are hidden, kept and read.

A secret is given by value, or as a reference `env:NAME` or `file:PATH`. Values are stored as
`enc:v1:...`, encrypted under a key file of the data dir; references are stored as they are and
followed when a job is launched.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import unquote, unquote_plus

import orjson
from cryptography.fernet import Fernet, InvalidToken

from evald.clients.redact import MASK, redact
from evald.errors import EvaluationError, InvalidArgument
from evald.settings import ClientSettings

__all__ = ["MASK", "Vault", "is_secret", "mask", "redact", "secret_values"]

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

NAMED = frozenset({"tasks", "groups", "metrics", "scores", "properties"})
"""Members whose keys are names that users made up, not fields."""

FREE = frozenset({"rows"})
"""Members that hold data, where a field called `token` is a word."""

REFERENCE_LIMIT = 64 * 2**10
"""Bytes of a file that a reference names."""

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
    return _changed(document, lambda value, path: MASK)


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

    _changed(document, collect)
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


class Vault:
    """Hides, keeps and reads the secrets of documents. Documents are copied, never changed.

    Methods raise EvaluationError of kind `secret` when a secret cannot be read.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._key_path = settings.data_dir / "secret.key"
        self._roots = settings.file_roots
        self._variables = settings.secret_env
        self._lock = Lock()
        self._fernet: Fernet | None = None

    def mask(self, document: D) -> D:
        """For answers, logs and artifacts."""
        return mask(document)

    def seal(self, document: D, stored: Any = None) -> D:
        """For the store. What is sealed already, and references, stay as they are; in place of
        `******` goes what `stored` holds there. Raises InvalidArgument when that is nothing, or
        when a reference names a variable that may not be read."""

        def change(value: Any, path: Keys) -> Any:
            name = _variable(value)
            if name and not self._may_read(name):
                raise InvalidArgument.of(".".join(map(str, path)), _closed(name))
            return self._seal(_kept(stored, path) if value == MASK else value)

        return _changed(document, change)

    def unseal(self, document: D) -> D:
        """With values readable and references as they were given."""
        return _changed(document, lambda value, path: self._unseal(value))

    def reveal(self, document: D) -> D:
        """For the attempt that uses the secrets: values readable, references followed."""
        return _changed(document, lambda value, path: self._follow(self._unseal(value)))

    def _seal(self, value: Any) -> Any:
        if isinstance(value, str) and (_is_reference(value) or self._opens(value)):
            return value
        return SEALED + self._cipher().encrypt(orjson.dumps(value)).decode()

    def _unseal(self, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith(SEALED):
            return value
        try:
            return orjson.loads(self._cipher().decrypt(value.removeprefix(SEALED)))
        except InvalidToken as e:
            raise EvaluationError(
                "secret",
                f"a stored secret cannot be read: {self._key_path.name} in the data dir is not the "
                "key that it was stored under; give the secret again",
            ) from e

    def _opens(self, value: str) -> bool:
        """Whether we have sealed it: only then is it kept, else it is a value like any other."""
        try:
            return bool(self._unseal(value) != value)
        except EvaluationError:
            return False

    def _follow(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        scheme, _, rest = value.partition(":")
        if not _is_reference(value):
            return value
        return self._environment(rest) if scheme == "env" else self._file(rest)

    def _environment(self, name: str) -> str:
        if not self._may_read(name):
            raise EvaluationError("secret", _closed(name))
        if not (value := os.environ.get(name)):
            raise EvaluationError("secret", f"env:{name} is not set where evald runs")
        return value

    def _may_read(self, name: str) -> bool:
        # Our own settings hold the database's password; no job has a use for them.
        allowed = any(fnmatchcase(name, pattern) for pattern in self._variables)
        return allowed and not name.startswith("EVALD_")

    def _file(self, path: str) -> str:
        found = Path(path).resolve()
        if not any(found.is_relative_to(Path(root).resolve()) for root in self._roots):
            raise EvaluationError(
                "secret", f"file:{path} is outside the folders that EVALD_FILE_ROOTS opens"
            )
        try:
            with found.open("rb") as file:
                text = file.read(REFERENCE_LIMIT).decode().strip()
        except (OSError, UnicodeDecodeError) as e:
            raise EvaluationError(
                "secret", f"file:{path} cannot be read: {type(e).__name__}"
            ) from e
        if not text:
            raise EvaluationError("secret", f"file:{path} is empty")
        return text

    def _cipher(self) -> Fernet:
        with self._lock:
            if self._fernet is None:
                self._fernet = Fernet(read_key(self._key_path))
            return self._fernet


def read_key(path: Path) -> bytes:
    """The key in a file that only we may read; made, whole or not at all, when there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".secret-", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                os.fsync(descriptor)
            # Unlike a rename, a link fails if another process was first, whose key then counts.
            path.hardlink_to(name)
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()
    try:
        return path.read_bytes()
    except OSError as e:
        raise EvaluationError("secret", f"the key file {path} cannot be read: {e.strerror}") from e


def _closed(name: str) -> str:
    return f"env:{name} may not be read; EVALD_SECRET_ENV, where evald runs, says what may"


def _urls(value: Any) -> Iterator[str]:
    """The URLs with a query in a document, data apart."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key not in FREE:
                yield from _urls(member)
    elif isinstance(value, list):
        for item in value:
            yield from _urls(item)
    elif isinstance(value, str) and re.match(r"https?://[^\s?]*\?", value, re.IGNORECASE):
        yield value


def _given(value: Any) -> bool:
    return not isinstance(value, bool) and value not in (None, "", [], {})


def _variable(value: Any) -> str | None:
    """The variable that a reference names."""
    if not isinstance(value, str) or not value.startswith("env:") or not _is_reference(value):
        return None
    return value.removeprefix("env:")


def _is_reference(value: str) -> bool:
    return bool(re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", value))


def _kept(stored: Any, path: Keys) -> Any:
    """The secret that `stored` holds at a path. Raises InvalidArgument when there is none."""
    for key in path:
        try:
            stored = stored[key]
        except (KeyError, IndexError, TypeError):
            stored = None
    if not _given(stored):
        field = ".".join(map(str, path))
        raise InvalidArgument.of(
            field, f"{MASK} is how answers show a secret; give the secret itself"
        )
    return stored


def _changed(
    document: D, change: Callable[[Any, Keys], Any], path: Keys = (), *, named: bool = False
) -> D:
    """A copy with `change` applied to the value and the path of each secret field that has one."""
    copy: Any
    if isinstance(document, Mapping):
        copy = {
            key: change(value, (*path, key))
            if not named and is_secret(str(key)) and _given(value)
            else value
            if key in FREE
            else _changed(value, change, (*path, key), named=key in NAMED)
            for key, value in document.items()
        }
    elif isinstance(document, list):
        copy = [_changed(item, change, (*path, index)) for index, item in enumerate(document)]
    else:
        copy = document
    return copy  # type: ignore[no-any-return]
