"""Data sets: from `files_url` to rows."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from evald.clients import rows as formats
from evald.clients.docstrings import DOCSTRINGS, Docstrings
from evald.clients.egress import Egress
from evald.clients.embedded import NAME, SCHEME, folder_of, store_of
from evald.clients.hub import Hub
from evald.clients.sources import OBJECT_STORES, Bucket, Folder, Source, Web, absent, told
from evald.errors import EvaluationError
from evald.settings import ClientSettings

Dataset = Mapping[str, Any]

BUILT_IN = Path(__file__).with_name("builtin")
"""Data sets that come with evald, a folder each."""

DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json")
"""Files that the Hub's tools keep beside the rows."""


class FileDatasets:
    """Reads data sets `{"files_url", "format"?, "limit"?, "split"?, "hf_endpoint"?, ...}`.

    `files_url` names a file or a folder, and of a folder every data file is read, by name:
    `hf://datasets/NAMESPACE/NAME[/PATH]` in the embedded store or behind a Hugging Face API,
    `file://NAME/` for what comes with evald or Python, `s3://` and the like, `http(s)://` for one
    file, and absolute paths inside EVALD_FILE_ROOTS. Methods raise EvaluationError of kind
    `dataset`.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._egress = Egress(settings.egress)

    def rows(self, dataset: Dataset) -> Iterator[dict[str, Any]]:
        """The rows, at most `limit`, read as they are asked for. There is at least one."""
        most = _limit(dataset)
        found = 0
        for source, name in self._files(dataset):
            with _opened(source, name) as stream:
                for row in formats.read(stream, name):
                    yield row
                    found += 1
                    if found == most:
                        return
        _some(dataset, found)

    def files(self, dataset: Dataset) -> list[str]:
        """Names of the files that have rows, of every split, below `files_url`; of a file its
        own."""
        source, path = self.source(url_of(dataset), dataset)
        names = source.names(path)
        if names == [path]:
            return [PurePosixPath(path).name]
        below = _data_files(names, dataset["files_url"], path, None)
        return [str(PurePosixPath(name).relative_to(path or ".")) for name in below]

    def splits(self, dataset: Dataset) -> set[str]:
        """Names that a `split` may have. Of a single file, `rows` gives all for any."""
        return {word for name in self.files(dataset) for word in _words(name)}

    def count(self, dataset: Dataset) -> int:
        """Number of rows, at most `limit`; at least one."""
        most = _limit(dataset)
        found = 0
        for source, name in self._files(dataset):
            with _opened(source, name) as stream:
                found += formats.count(stream, name, None if most is None else most - found)
            if found == most:
                break
        return _some(dataset, found)

    def place(self, dataset: Dataset, index: int) -> str:
        """Where the row of that index is: its file, and there its line or its number."""
        for source, name in self._files(dataset):
            with _opened(source, name) as stream:
                there = formats.count(stream, name, index + 1)
            if index < there:
                with _opened(source, name) as stream:
                    return formats.place(stream, name, index)
            index -= there
        raise IndexError(index)

    def allow(self, url: str) -> None:
        """Raises EvaluationError of kind `request` when EVALD_EGRESS does not open a URL."""
        self._egress.url(url)

    def source(self, url: str, dataset: Dataset) -> tuple[Source, str]:
        """Where a URL leads, and the path there."""
        if url.startswith("/"):
            return self._local(url)
        try:
            parts = urlsplit(url)
        except ValueError as e:
            raise EvaluationError("dataset", f"{url!r} is not a URL: {e}") from e
        if parts.scheme in ("http", "https"):
            with told(url.partition("?")[0]):
                return Web(url, self._egress), PurePosixPath(parts.path).name or "data"
        segments = _segments(url, url.partition("://")[2])
        if url.startswith(SCHEME):
            return self._hugging_face(url, segments[1:], dataset)
        if parts.scheme == "file":
            return self._local(unquote(parts.path)) if not parts.netloc else _built_in(segments)
        if parts.scheme in OBJECT_STORES and segments:
            return Bucket(parts.scheme, segments[0]), "/".join(segments[1:])
        known = ["hf://datasets/", "file://", *(f"{s}://" for s in OBJECT_STORES), "https://"]
        raise EvaluationError(
            "dataset",
            f"files_url {url!r} must begin with one of {', '.join(known)}, or be an absolute path",
        )

    def _files(self, dataset: Dataset) -> list[tuple[Source, str]]:
        """The files of a data set, in the order of their names."""
        url = url_of(dataset)
        source, path = self.source(url, dataset)
        names = source.names(path)
        if names != [path]:
            names = _data_files(names, url, path, dataset.get("split"))
        return [(source, name) for name in names]

    def _hugging_face(self, url: str, segments: list[str], dataset: Dataset) -> tuple[Source, str]:
        if len(segments) < 2:
            raise EvaluationError("dataset", f"{url!r} is not hf://datasets/NAMESPACE/NAME[/PATH]")
        namespace, name, *rest = segments
        own = self._settings.data_store_url
        endpoint = dataset.get("hf_endpoint") or own
        if endpoint:
            hub = Hub(
                endpoint,
                self._egress,
                self._settings.data_dir / "cache" / "hub",
                token=dataset.get("hf_token"),
                trusted=endpoint.rstrip("/") == (own or "").rstrip("/"),
            )
            return hub.repository(f"{namespace}/{name}"), "/".join(rest)
        if not NAME.fullmatch(namespace) or not NAME.fullmatch(name):
            raise EvaluationError("dataset", f"{url!r} is not hf://datasets/NAMESPACE/NAME[/PATH]")
        folder = folder_of(self._settings.data_dir, f"{namespace}/{name}")
        if not folder.is_dir():
            raise EvaluationError(
                "dataset",
                f"{absent(url).message}: the embedded store has "
                f"{_listed(_stored(self._settings.data_dir, namespace))} in that namespace; add it "
                f"by `evald datasets put {namespace}/{name} FILES...` with this server's data dir "
                "(--data-dir), or set EVALD_DATA_STORE_URL or hf_endpoint",
            )
        return Folder(folder), "/".join(rest)

    def _local(self, path: str) -> tuple[Source, str]:
        """A local path, if it lies in an allowed folder once all links are followed."""
        if ".." in PurePosixPath(path).parts or "\0" in path:
            raise EvaluationError("dataset", f"{path!r} must not hold '..'")
        found = Path(path).resolve()
        for root in self._settings.file_roots:
            allowed = Path(root).resolve()
            if found.is_relative_to(allowed):
                if not found.exists():
                    raise absent(path)
                return Folder(allowed), str(found.relative_to(allowed))
        raise EvaluationError(
            "dataset",
            f"{path} is outside the folders that EVALD_FILE_ROOTS opens for data: start evald with "
            "that of the file among them, or store it by `evald datasets put`",
        )


def url_of(dataset: Dataset) -> str:
    """Where a data set is. Raises EvaluationError."""
    url = dataset.get("files_url")
    if url and isinstance(url, str):
        return url
    shown = dataset.get("name") or "given"
    raise EvaluationError(
        "dataset",
        f"Dataset {shown} is not in the expected format; it needs to have the files_url "
        "property set, such as hf://datasets/NAMESPACE/NAME, which evald datasets put fills",
    )


def _built_in(segments: list[str]) -> tuple[Source, str]:
    there = sorted(p.name for p in BUILT_IN.iterdir()) if BUILT_IN.is_dir() else []
    name, *rest = segments or [""]
    if name == DOCSTRINGS:
        return Docstrings(), "/".join(rest)
    there = sorted([*there, DOCSTRINGS])
    if name not in there:
        raise EvaluationError(
            "dataset", f"there is no built-in data set {name!r}; there is {_listed(there)}"
        )
    return Folder(BUILT_IN / name), "/".join(rest)


def _stored(data_dir: Path, namespace: str) -> list[str]:
    """Names of what is stored in a namespace; of other ones a caller may not be told."""
    if namespace == "evaluation-results":
        return []
    return sorted(folder.name for folder in (store_of(data_dir) / namespace).glob("[!.]*"))


def _segments(url: str, path: str) -> list[str]:
    """The parts of a URL's path. Raises when one of them leads elsewhere."""
    parts = [unquote(part) for part in path.split("/") if part]
    if any(p in (".", "..") or set("/\\\0") & set(p) for p in parts) or "::" in path:
        raise EvaluationError("dataset", f"{url!r} must not hold '..', '\\' or '::'")
    return parts


def _data_files(names: list[str], url: str, path: str, split: str | None) -> list[str]:
    """Of the files below a folder those that hold rows, in order; of a split if one is named."""
    if not names:
        raise absent(url)
    data = sorted(n for n in names if formats.format_of(n) and not n.endswith(DESCRIPTIONS))
    if not data:
        raise EvaluationError(
            "dataset",
            f"{url} has no data files ({', '.join(formats.FORMATS)}), only {_listed(names)}",
        )
    if not split:
        return data
    chosen = [name for name in data if split in _words(name.removeprefix(path))]
    if not chosen:
        raise EvaluationError("dataset", f"{url} has no split {split!r}, only {_listed(data)}")
    return chosen


def _words(name: str) -> set[str]:
    """Names of folders, and what a file's name begins with: `test` for `test-00000.jsonl`."""
    *folders, file = PurePosixPath(name).parts
    stem = file.partition(".")[0]
    return {*folders, stem, stem.partition("-")[0]}


@contextmanager
def _opened(source: Source, name: str) -> Iterator[io.BufferedReader]:
    try:
        with told(name), source.open(name) as raw, formats.buffered(raw, name) as stream:
            yield stream
    except (EOFError, zlib.error) as e:
        raise EvaluationError("dataset", f"{name}: it cannot be decompressed: {e}") from e


def _limit(dataset: Dataset) -> int | None:
    limit = dataset.get("limit")
    if limit is None:
        return None
    if not isinstance(limit, int | float) or limit < 1 or limit != int(limit):
        raise EvaluationError("dataset", f"dataset.limit: {limit!r} is not a whole number from 1")
    return int(limit)


def _some(dataset: Dataset, found: int) -> int:
    if not found:
        raise EvaluationError("dataset", f"{dataset['files_url']} holds no rows")
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:10]) or "none"
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
