"""Secrets of documents, hidden, kept and read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import orjson
from cryptography.fernet import Fernet, InvalidToken

from evald.clients.redact import MASK
from evald.clients.secrets import SEALED, Keys, changed, given, mask
from evald.errors import EvaluationError, InvalidArgument
from evald.settings import ClientSettings

PLACES = ("url", "hf_endpoint")
"""Fields beside a secret that say where it is sent."""

BROKEN = re.compile("file:(?!/.)")
"""A reference to a file that leads nowhere: it would be sent as the secret itself."""

REFERENCE_LIMIT = 64 * 2**10
"""Bytes of a file that a reference names."""

D = TypeVar("D")


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
        when a reference is none, or names a variable that may not be read."""

        def change(value: Any, path: Keys) -> Any:
            field = ".".join(map(str, path))
            name = _variable(value)
            if name and not self._may_read(name):
                raise InvalidArgument.of(field, _closed(name))
            if isinstance(value, str) and BROKEN.match(value):
                raise InvalidArgument.of(field, "a file's path must be whole: file:/FOLDER/FILE")
            return self._seal(_kept(document, stored, path) if value == MASK else value)

        return changed(document, change)

    def unseal(self, document: D) -> D:
        """With values readable and references as they were given."""
        return changed(document, lambda value, path: self._unseal(value))

    def reveal(self, document: D) -> D:
        """For the attempt that uses the secrets: values readable, references followed."""
        return changed(document, lambda value, path: self._follow(self._unseal(value)))

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
                "secret",
                f"file:{path} is outside the folders that EVALD_FILE_ROOTS opens; start evald with "
                "that of the file among them",
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


def _variable(value: Any) -> str | None:
    """The variable that a reference names."""
    if not isinstance(value, str) or not value.startswith("env:") or not _is_reference(value):
        return None
    return value.removeprefix("env:")


def _is_reference(value: str) -> bool:
    return bool(re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", value))


def _kept(document: Any, stored: Any, path: Keys) -> Any:
    """The secret that `stored` holds at a path. Raises InvalidArgument when there is none, or when
    `document` would have it sent elsewhere."""
    field = ".".join(map(str, path))
    *above, _ = path
    old, new = _at(stored, above), _at(document, above)
    secret = _at(stored, path)
    if not given(secret):
        raise InvalidArgument.of(
            field, f"{MASK} is how answers show a secret; give the secret itself"
        )
    for place in PLACES if isinstance(old, Mapping) else ():
        if old.get(place) != new.get(place):
            raise InvalidArgument.of(
                field, f"the secret was given for another {place}; give the one for this {place}"
            )
    return secret


def _at(document: Any, path: Iterable[str | int]) -> Any:
    """What a document has at a path, None where that leads nowhere."""
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return None
    return document
