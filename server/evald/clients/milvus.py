"""Indexes in Milvus: a server, or milvus-lite in a file of the job."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from evald.clients.leftovers import Leftovers, Note
from evald.clients.redact import redact
from evald.clients.together import Together
from evald.errors import EvaluationError
from evald.vectors import ID_BYTES, Found, Index, Passage, Vector

T = TypeVar("T")

FILE = "vectors.db"
"""milvus-lite's in a job's folder."""

TEXT_BYTES = 65_535
"""Of a text, at most: Milvus stores no longer ones."""

MEMTABLE = ("MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES", str(16 * 2**20))
"""milvus-lite gathers so much before it writes; with its own default it takes a gigabyte to write
100,000 texts."""

DROP_SECONDS = 10.0
"""How long Milvus may take to drop a collection."""

MOST_HERE = 10_000
"""Texts of an index that milvus-lite has, all in memory, some 12 KB each; a file has the others."""


class MilvusIndexes:
    """Indexes of one job, each a collection named after the job.

    They are in the Milvus server at `url`, where a collection is dropped when it is closed. If that
    fails, which `say` tells, evald's server drops it, from what `leftovers` says; so it does when a
    job is told to end and no other attempt follows, which would use what is there. Without a URL
    they are in milvus-lite and in a file, in `folder`, and stay until the folder goes.
    """

    def __init__(
        self,
        url: str | None,
        folder: Path | None,
        job_id: str,
        leftovers: Leftovers | None = None,
        *,
        say: Callable[[str, str], None] | None = None,
    ) -> None:
        self._url = url
        self._folder = folder
        self._job_id = job_id
        self._leftovers = leftovers
        self._say = say or (lambda level, message: None)

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[Index]:
        """Raises EvaluationError of kind `index` when Milvus cannot be reached."""
        collection = "evald_" + re.sub(r"\W", "_", f"{self._job_id}_{name}", flags=re.ASCII)
        where = self._here(collection) if self._url is None else self._there(self._url, collection)
        async with where as index:
            yield index

    @asynccontextmanager
    async def _there(self, url: str, collection: str) -> AsyncIterator[Index]:
        index = await _connected(url, collection)
        with ExitStack() as use:
            note = self._note(use, collection)
            try:
                yield index
            finally:
                drop = note is None or (not told_to_end() and note.end())
                failed = await index.close(drop=drop)
                if failed is not None:
                    self._say("warning", f"{failed.message}: {collection} is not dropped yet")
                elif drop and note is not None:
                    note.forget()

    def _note(self, use: ExitStack, collection: str) -> Note | None:
        """Notes that a collection is in use, where that can be."""
        try:
            if self._leftovers is not None:
                return use.enter_context(self._leftovers.using(collection, self._job_id))
        except OSError as e:
            self._say("warning", f"{collection} stays in Milvus if this job is killed: {e}")
        return None

    @asynccontextmanager
    async def _here(self, collection: str) -> AsyncIterator[Index]:
        from evald.clients.vectorfile import Overflowing, VectorFile

        with TemporaryDirectory(prefix="evald-") as temporary:
            folder, index = await self._begun(collection, Path(temporary))
            path = str(folder / FILE)
            file = VectorFile(folder / collection)
            try:
                yield Overflowing(index, file, MOST_HERE)
            finally:
                file.close()
                await index.close(drop=False)
                await asyncio.to_thread(_release, path)

    async def _begun(self, collection: str, temporary: Path) -> tuple[Path, MilvusIndex]:
        """The collection in the job's folder, and that. What an attempt before this one has left
        there may be broken, or in use still if its server was stopped: then another begins."""
        own = (self._folder, self._folder / "anew") if self._folder is not None else ()
        for folder in own:
            folder.mkdir(exist_ok=True)
            path = str(folder / FILE)
            try:
                index = await _connected(path, collection)
                await index.count()
            except EvaluationError as e:
                self._say("warning", f"the index is made anew, not kept: {e.message}")
                await asyncio.to_thread(_release, path)
            else:
                return folder, index
        return temporary, await _connected(str(temporary / FILE), collection)


class MilvusIndex:
    """One collection. Texts have their position as the key, so that those there are the first."""

    def __init__(self, client: Any, collection: str, place: str, secret: str | None) -> None:
        self._client = client
        self._collection = collection
        self._place = place
        self._secrets = (secret,) if secret else ()
        self._added: int | None = None
        self._together = Together(self._find)

    async def count(self) -> int:
        """Texts that are there."""
        self._added = await self._call(self._count)
        return self._added

    async def add(self, passages: Sequence[Passage], vectors: Sequence[Vector]) -> None:
        """Adds texts, and makes the collection when it is not there."""
        start = await self.count() if self._added is None else self._added
        rows = [
            {"position": start + i, "id": p.id, "text": shortened(p.text), "vector": list(vector)}
            for i, (p, vector) in enumerate(zip(passages, vectors, strict=True))
        ]
        await self._call(self._insert, rows)
        self._added = start + len(rows)

    async def ready(self) -> None:
        """milvus-lite searches slowly what it has not yet written to its files."""
        await self._call(self._load)

    async def search(self, vector: Vector, most: int) -> list[Found]:
        """The nearest texts."""
        return await self._together.search(vector, most)

    async def close(self, *, drop: bool) -> EvaluationError | None:
        """Closes the connection. The index can be used no more. Answers why the collection could
        not be dropped, if that was to be and failed."""
        return await asyncio.to_thread(self._close, drop)

    async def _find(self, vectors: Sequence[Vector], most: int) -> list[list[Found]]:
        return await self._call(self._search, [list(vector) for vector in vectors], most)

    async def _call(self, act: Callable[..., T], *given: Any) -> T:
        """Does what blocks in a thread of its own."""
        try:
            return await asyncio.to_thread(act, *given)
        except Exception as e:
            raise wrong(self._place, e, self._secrets) from e

    def _count(self) -> int:
        if not self._client.has_collection(self._collection):
            return 0
        self._client.load_collection(self._collection)
        [counted] = self._client.query(
            self._collection,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
        )
        return int(counted["count(*)"])

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        if rows[0]["position"] == 0 and not self._client.has_collection(self._collection):
            self._create(len(rows[0]["vector"]))
        self._client.upsert(self._collection, rows)  # an overtaken attempt may add the same

    def _create(self, size: int) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False)
        schema.add_field("position", DataType.INT64, is_primary=True)
        schema.add_field("id", DataType.VARCHAR, max_length=ID_BYTES)
        schema.add_field("text", DataType.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=size)
        flat = self._client.prepare_index_params()
        flat.add_index("vector", index_type="FLAT", metric_type="COSINE")
        self._client.create_collection(
            self._collection,
            schema=schema,
            index_params=flat,
            num_shards=1,  # so that what a killed attempt has added are the first
            consistency_level="Strong",
        )

    def _load(self) -> None:
        self._client.flush(self._collection)
        self._client.load_collection(self._collection)

    def _search(self, vectors: list[list[float]], most: int) -> list[list[Found]]:
        answers = self._client.search(
            self._collection,
            vectors,
            limit=most,
            output_fields=["id", "text"],
            search_params={"metric_type": "COSINE"},
        )
        return [
            [Found(h["entity"]["id"], h["entity"]["text"], float(h["distance"])) for h in hits]
            for hits in answers
        ]

    def _close(self, drop: bool) -> EvaluationError | None:
        try:
            if drop:
                self._client.drop_collection(self._collection, timeout=DROP_SECONDS)
        except Exception as e:
            return wrong(self._place, e, self._secrets)
        finally:
            with suppress(Exception):
                self._client.close()
        return None


def shortened(text: str) -> str:
    """As much of a text as Milvus stores."""
    if len(text) * 4 <= TEXT_BYTES:
        return text
    return text.encode()[:TEXT_BYTES].decode(errors="ignore")


def wrong(place: str, error: Exception, secrets: Sequence[str] = ()) -> EvaluationError:
    """What to say of an error of Milvus."""
    said = str(getattr(error, "message", "") or error) or type(error).__name__
    return EvaluationError("index", redact(f"Milvus at {place}: {said}", tuple(secrets)))


async def _connected(uri: str, collection: str) -> MilvusIndex:
    """The index in the file or at the URL `uri`, whose user and password are taken out."""
    os.environ.setdefault(*MEMTABLE)
    place, login = parted(uri)
    try:
        client = await asyncio.to_thread(client_of, place, login)
    except Exception as e:
        hint = EvaluationError("index", f"{wrong(place, e).message}; is EVALD_MILVUS_URL right?")
        raise (hint if "://" in uri else wrong(FILE, e)) from e
    return MilvusIndex(client, collection, place if login else FILE, login.get("password"))


def parted(uri: str) -> tuple[str, dict[str, str]]:
    """A file or a URL, and the user and password that are in the URL."""
    if "://" not in uri:
        return uri, {}
    parts = urlsplit(uri)
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return place, {"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}


def client_of(place: str, login: dict[str, str]) -> Any:
    """A connection to Milvus."""
    from pymilvus import MilvusClient

    return MilvusClient(place, **login)


def _release(path: str) -> None:
    """Ends milvus-lite's server of a file."""
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(path)


def told_to_end() -> bool:
    """Whether the task that runs has been cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def drop(url: str, collections: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Drops collections of a server. Answers of each why it could not be dropped, if so."""
    place, login = parted(url)
    secrets = (login["password"],) if login.get("password") else ()
    client = None
    for collection in collections:
        try:
            client = client or client_of(place, login)
            client.drop_collection(collection, timeout=DROP_SECONDS)
            yield collection, None
        except Exception as e:
            yield collection, wrong(place, e, secrets).message


if __name__ == "__main__":
    for answer in drop(**json.load(sys.stdin)):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
