"""Where data files lie: a folder here, or a URL."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

import httpx2

from evald.clients.egress import Egress
from evald.clients.embedded import staged
from evald.clients.web import guarded_client
from evald.errors import EvaluationError

OBJECT_STORES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""Schemes that fsspec reads, and the package that each needs."""

DRIVERS = frozenset({"botocore", "aiobotocore", "gcsfs", "google", "adlfs", "azure", "aiohttp"})
"""Packages below fsspec that raise errors of their own."""


class Source(Protocol):
    """A place that holds files. All methods raise EvaluationError of kind `dataset`."""

    def names(self, path: str) -> list[str]:
        """Files at or below a path: `[path]` if it is one, `[]` if there is nothing."""

    def open(self, name: str) -> BinaryIO: ...


class Folder:
    """A folder that nothing may be read outside of, through links neither."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def names(self, path: str) -> list[str]:
        here = self._inside(path)
        if here.is_file():
            return [path]
        found = (p.relative_to(here) for p in here.rglob("*") if p.is_file())
        return [str(PurePosixPath(path, name)) for name in found if not hidden(name)]

    def open(self, name: str) -> BinaryIO:
        return self._inside(name).open("rb")

    def fetch(self, name: str, cache: Path) -> Path:
        """Where a file lies."""
        return self._inside(name)

    def _inside(self, path: str) -> Path:
        try:
            found = (self._root / path).resolve()
        except (OSError, RuntimeError, ValueError) as e:
            raise EvaluationError("dataset", f"{path!r} is not a path: {e}") from e
        if not found.is_relative_to(self._root):
            raise EvaluationError("dataset", f"{path!r} leads out of its folder")
        return found


class Bucket:
    """An object store, through fsspec and with the credentials of this machine."""

    def __init__(self, scheme: str, place: str) -> None:
        import fsspec

        try:
            self._fs: Any = fsspec.filesystem(scheme, use_listings_cache=False)
        except ImportError as e:
            package = OBJECT_STORES[scheme]
            raise EvaluationError(
                "dataset", f"{scheme}:// needs the package {package}: pip install {package}"
            ) from e
        self._url = f"{scheme}://{place}"
        self._place = place

    def names(self, path: str) -> list[str]:
        with told(self._url):
            found = self._fs.find(f"{self._place}/{path}".rstrip("/"))
        names = [str(name).removeprefix(self._place).strip("/") for name in found]
        below = (PurePosixPath(name).relative_to(path or ".") for name in names)
        return [name for name, rest in zip(names, below, strict=True) if not hidden(rest)]

    def open(self, name: str) -> BinaryIO:
        with told(self._url):
            return cast(BinaryIO, self._fs.open(f"{self._place}/{name}", "rb"))

    def fetch(self, name: str, cache: Path) -> Path:
        """Where a file lies, once it is in the cache; one that has not changed is there already."""
        place = f"{self._place}/{name}"
        with told(self._url):
            version = f"{self._url} {name} {self._fs.ukey(place)}"
            there = cache / hashlib.sha256(version.encode()).hexdigest()
            if not there.exists():
                with staged(cache) as staging:
                    self._fs.get_file(place, str(staging / there.name))
                    (staging / there.name).replace(there)
        return there


class Web:
    """One file behind an http or https URL."""

    def __init__(self, url: str, egress: Egress) -> None:
        self._url = egress.url(url)
        self._egress = egress

    def names(self, path: str) -> list[str]:
        return [path]

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(_Download(str(self._url), self._egress), 2**16)


class _Download(io.RawIOBase):
    """The body of an answer as a file, never more of it in memory than one block."""

    def __init__(self, url: str, egress: Egress) -> None:
        self._shown = url.partition("?")[0]
        self._rest = b""
        self._client = guarded_client(egress)
        try:
            with told(self._shown):
                self._response = self._client.send(
                    self._client.build_request("GET", url), stream=True
                )
                self._blocks: Iterator[bytes] = self._response.iter_bytes()
            self._check()
        except BaseException:
            self._client.close()
            raise

    def _check(self) -> None:
        status = self._response.status_code
        if self._response.is_redirect:
            to = self._response.headers.get("Location")
            raise EvaluationError(
                "dataset", f"{self._shown} redirects to {to}; give that URL instead"
            )
        if status != 200:
            raise EvaluationError(
                "dataset", f"{self._shown}: {status} {self._response.reason_phrase}"
            )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with told(self._shown):
            while not self._rest:
                block = next(self._blocks, None)
                if block is None:
                    return 0
                self._rest = block
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed and hasattr(self, "_response"):
            self._response.close()
            self._client.close()
        super().close()


@contextmanager
def told(place: str) -> Iterator[None]:
    """Turns what libraries raise about a place into an EvaluationError of kind `dataset`."""
    try:
        yield
    except EvaluationError as e:
        if e.kind == "dataset":
            raise
        raise EvaluationError("dataset", f"{place}: {e.message}") from e
    except FileNotFoundError as e:
        raise absent(place) from e
    except PermissionError as e:
        reason = "access is denied with this machine's credentials"
        raise EvaluationError("dataset", f"{place}: {reason}") from e
    except (httpx2.HTTPError, OSError) as e:
        raise EvaluationError("dataset", f"{place}: {str(e) or type(e).__name__}") from e
    except Exception as e:
        if type(e).__module__.partition(".")[0] not in DRIVERS:
            raise
        raise EvaluationError("dataset", f"{place}: {e}") from e


def absent(url: str) -> EvaluationError:
    return EvaluationError("dataset", f"Dataset {url} is not present on datastore")


def hidden(path: PurePosixPath | Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
