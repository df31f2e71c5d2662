"""milvus-lite beside an exact search, across attempts that are killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from milvus_lite import MilvusLite
from milvus_lite.adapter.grpc.server import start_server_in_thread
from pymilvus import MilvusClient

from evald.clients import milvus
from evald.clients.leftovers import Dropper, Leftovers
from evald.clients.milvus import TEXT_BYTES, MilvusIndex, MilvusIndexes, shortened
from evald.errors import EvaluationError
from evald.vectors import Found, Passage, Vector
from tests.exact import ExactIndex, ExactIndexes

SIZE = 16

KILLED = """
import asyncio, os, sys
from pathlib import Path
from evald.clients.milvus import MilvusIndexes
from tests.clients.test_milvus import passages, vectors

async def main():
    async with MilvusIndexes(None, Path(sys.argv[1]), "eval-A").open("0") as index:
        await index.add(passages(0, 30), vectors(0, 30))
        await index.add(passages(30, 50), vectors(30, 50))
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""

HOLDING = KILLED.replace("os.kill(os.getpid(), 9)", "print('held', flush=True); input()")


def killed(folder: Path) -> int:
    """Runs KILLED on a job's folder, with its temporary files there too; its exit status."""
    command = [sys.executable, "-c", KILLED, str(folder)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(command, check=False, timeout=60, env=environment).returncode


def passages(start: int, end: int) -> list[Passage]:
    return [Passage(f"d{i}", f"text {i}") for i in range(start, end)]


def vectors(start: int, end: int) -> list[Vector]:
    drawn = np.random.default_rng(3).standard_normal((200, SIZE))
    found: list[Vector] = drawn[start:end].tolist()
    return found


def asked() -> list[Vector]:
    found: list[Vector] = np.random.default_rng(4).standard_normal((40, SIZE)).tolist()
    return found


def same(found: Sequence[Found], wanted: Sequence[Found]) -> bool:
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    return [one.score for one in found] == pytest.approx([one.score for one in wanted], abs=1e-5)


def test_an_index_that_is_in_use_still_is_made_anew(tmp_path: Path) -> None:
    """By the child of a server that was stopped, whose job this attempt has."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    said: list[tuple[str, str]] = []

    async def main() -> int:
        indexes = MilvusIndexes(None, tmp_path, "eval-A", say=lambda *line: said.append(line))
        async with indexes.open("0") as index:
            found = await index.count()
            await index.add(passages(0, 1), vectors(0, 1))
            return found

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert asyncio.run(main()) == 0
        other.communicate(b"\n", timeout=20)
    [(level, message)] = said
    assert (level, "made anew" in message) == ("warning", True)
    assert other.returncode == 0


def test_an_index_that_was_made_anew_is_kept(tmp_path: Path) -> None:
    """The next attempt goes on with it, also if the first one is still in use, or broken."""
    assert killed(tmp_path) == -9
    for path in (tmp_path / milvus.FILE).rglob("*.json"):
        path.write_text("broken")

    async def main() -> list[int]:
        counts = []
        for _ in range(2):
            async with MilvusIndexes(None, tmp_path, "eval-A", say=lambda *_: None).open("0") as i:
                counts.append(await i.count())
                await i.add(passages(0, 1), vectors(0, 1))
        return counts

    assert asyncio.run(main()) == [0, 1]


def test_an_exact_search_finds_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        exact = ExactIndex()
        async with MilvusIndexes(None, tmp_path, "eval-A").open("0") as index:
            assert await index.count() == 0
            for there in (index, exact):
                await there.add(passages(0, 120), vectors(0, 120))
                await there.add(passages(120, 200), vectors(120, 200))
                await there.ready()
            assert await index.count() == 200
            mosts = [1 + i % 7 for i in range(40)]
            at_once = await asyncio.gather(*map(index.search, asked(), mosts))
            alone = [await index.search(*one) for one in zip(asked(), mosts, strict=True)]
            wanted = [await exact.search(*one) for one in zip(asked(), mosts, strict=True)]
        assert all(map(same, at_once, wanted))
        assert all(map(same, alone, wanted))

    asyncio.run(main())


def test_what_a_killed_attempt_has_added_is_there(tmp_path: Path) -> None:
    assert killed(tmp_path) == -9

    async def main() -> None:
        indexes = MilvusIndexes(None, tmp_path, "eval-A")
        async with indexes.open("0") as index:
            assert await index.count() == 50
            await index.add(passages(50, 60), vectors(50, 60))
            await index.ready()
        async with indexes.open("1") as other:
            assert await other.count() == 0
        exact = ExactIndexes()
        async with indexes.open("0") as again, exact.open("0") as wanted:
            assert await again.count() == 60
            await again.ready()
            await wanted.add(passages(0, 60), vectors(0, 60))
            await wanted.ready()
            for vector in asked():
                assert same(await again.search(vector, 60), await wanted.search(vector, 60))

    asyncio.run(main())


def test_more_is_asked_for_than_is_there(tmp_path: Path) -> None:
    async def main() -> list[Found]:
        async with MilvusIndexes(None, tmp_path, "eval-A").open("0") as index:
            await index.add(passages(0, 3), vectors(0, 3))
            await index.ready()
            return await index.search(asked()[0], 100)

    assert len(asyncio.run(main())) == 3


def test_without_a_folder_nothing_is_left() -> None:
    async def main() -> int:
        for _ in range(2):
            async with MilvusIndexes(None, None, "eval-A").open("0") as index:
                there = await index.count()
                await index.add(passages(0, 3), vectors(0, 3))
        return there

    assert asyncio.run(main()) == 0


def test_a_vector_of_another_size(tmp_path: Path) -> None:
    async def main() -> None:
        async with MilvusIndexes(None, tmp_path, "eval-A").open("0") as index:
            await index.add(passages(0, 3), vectors(0, 3))
            await index.ready()
            with pytest.raises(EvaluationError) as e:
                await index.search([1.0], 2)
            assert e.value.kind == "index"
            with pytest.raises(EvaluationError, match="Milvus at"):
                await index.add(passages(3, 4), [[1.0]])

    asyncio.run(main())


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of its own."""
    server, db, port = start_server_in_thread(str(tmp_path / "served.db"), "127.0.0.1", 0)
    yield f"http://user:password@127.0.0.1:{port}"
    server.stop(grace=0).wait()
    db.close()


@pytest.mark.parametrize("error", [None, EvaluationError("http", "no"), asyncio.CancelledError()])
def test_a_collection_of_a_server_is_dropped(url: str, error: BaseException | None) -> None:
    async def add() -> None:
        async with MilvusIndexes(url, None, "eval-A").open("0") as index:
            await index.add(passages(0, 9), vectors(0, 9))
            await index.ready()
            assert len(await index.search(asked()[0], 4)) == 4
            assert there(url) == ["evald_eval_A_0"]
            if error is not None:
                raise error

    with suppress(EvaluationError, asyncio.CancelledError):
        asyncio.run(add())
    assert there(url) == []


def there(url: str) -> list[str]:
    """The collections of a server."""
    client = MilvusClient(url)
    try:
        return list(client.list_collections())
    finally:
        client.close()


def test_a_collection_that_could_not_be_dropped_is_left_to_the_server(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftovers = Leftovers(tmp_path / "collections")
    said = []

    async def add() -> None:
        indexes = MilvusIndexes(url, None, "eval-A", leftovers, say=lambda *one: said.append(one))
        async with indexes.open("0") as index:
            await index.add(passages(0, 9), vectors(0, 9))
            assert leftovers.idle() == {}, "this process uses it"
            assert isinstance(index, MilvusIndex)
            monkeypatch.setattr(index._client, "drop_collection", no)

    def no(collection: str, **how: object) -> None:
        raise OSError("no")

    asyncio.run(add())
    [(level, message)] = said
    assert level == "warning"
    assert message.endswith("no: evald_eval_A_0 is not dropped yet")
    assert "password" not in message
    assert leftovers.idle() == {"evald_eval_A_0": "eval-A"}
    assert there(url) == ["evald_eval_A_0"]
    assert Dropper(url, leftovers).drop(["evald_eval_A_0"]) == {}
    assert there(url) == []
    assert leftovers.idle() == {}


def test_a_dropped_collection_is_forgotten(url: str, tmp_path: Path) -> None:
    leftovers = Leftovers(tmp_path / "collections")

    async def add() -> None:
        async with MilvusIndexes(url, None, "eval-A", leftovers).open("0") as index:
            await index.add(passages(0, 9), vectors(0, 9))

    asyncio.run(add())
    assert leftovers.idle() == {}


def test_an_attempt_that_is_told_to_end_leaves_the_collection_to_the_next(
    url: str, tmp_path: Path
) -> None:
    leftovers = Leftovers(tmp_path / "collections")
    indexes = MilvusIndexes(url, None, "eval-A", leftovers)

    async def attempt(added: asyncio.Event) -> None:
        async with indexes.open("0") as index:
            await index.add(passages(0, 9), vectors(0, 9))
            added.set()
            await asyncio.sleep(60)

    async def main() -> None:
        added = asyncio.Event()
        overtaken = asyncio.create_task(attempt(added))
        await added.wait()
        async with indexes.open("0") as index:
            overtaken.cancel()
            with suppress(asyncio.CancelledError):
                await overtaken
            assert await index.count() == 9
            assert leftovers.idle() == {}
        assert there(url) == [], "the last one drops it"
        told = asyncio.create_task(attempt(added := asyncio.Event()))
        await added.wait()
        told.cancel()

    with suppress(asyncio.CancelledError):
        asyncio.run(main())
    assert there(url) == ["evald_eval_A_0"]
    assert leftovers.idle() == {"evald_eval_A_0": "eval-A"}


def test_an_overtaken_attempt_that_finishes_drops_nothing(url: str, tmp_path: Path) -> None:
    leftovers = Leftovers(tmp_path / "collections")
    indexes = MilvusIndexes(url, None, "eval-A", leftovers)

    async def main() -> None:
        async with indexes.open("0") as index:
            async with indexes.open("0") as overtaken:
                for one in (index, overtaken):
                    await one.count()
                for one in (index, overtaken):
                    await one.add(passages(0, 9), vectors(0, 9))
            assert await index.count() == 9, "both have added the same"
            await index.ready()
            assert len({found.id for found in await index.search(asked()[0], 9)}) == 9
        assert there(url) == []
        assert not list((tmp_path / "collections").iterdir())

    asyncio.run(main())


@pytest.mark.parametrize("told_to_end", [False, True])
def test_a_note_that_cannot_be_written_fails_no_job(
    url: str, tmp_path: Path, told_to_end: bool
) -> None:
    said: list[tuple[str, str]] = []
    leftovers = Leftovers(tmp_path / "elsewhere" / "collections")
    indexes = MilvusIndexes(url, None, "eval-A", leftovers, say=lambda *one: said.append(one))

    async def attempt() -> None:
        async with indexes.open("0") as index:
            await index.add(passages(0, 9), vectors(0, 9))
            assert there(url) == ["evald_eval_A_0"]
            if told_to_end:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)

    with suppress(asyncio.CancelledError):
        asyncio.run(attempt())
    [(level, message)] = said
    assert level == "warning"
    assert message.startswith("evald_eval_A_0 stays in Milvus if this job is killed: ")
    assert there(url) == [], "nobody else would drop it"
    assert not (tmp_path / "elsewhere").exists()


def test_a_collection_that_hangs_keeps_no_other_from_being_dropped(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add() -> None:
        for name in ("0", "1"):
            index = await milvus._connected(url, name_of(name))
            await index.add(passages(0, 3), vectors(0, 3))
            await index.close(drop=False)

    def name_of(name: str) -> str:
        return f"evald_eval_A_{name}"

    def drop(served: MilvusLite, collection: str, **how: object) -> None:
        if collection == name_of("0"):
            over.wait(60)
            ended.set()
        else:
            really(served, collection, **how)

    asyncio.run(add())
    over, ended, really = threading.Event(), threading.Event(), MilvusLite.drop_collection
    monkeypatch.setattr(MilvusLite, "drop_collection", drop)
    monkeypatch.setattr(milvus, "DROP_SECONDS", 1)
    (hung, cause), (dropped, nothing) = milvus.drop(url, [name_of("0"), name_of("1")])
    assert (hung, dropped) == (name_of("0"), name_of("1"))
    assert cause is not None
    assert "password" not in cause
    assert nothing is None
    assert there(url) == [name_of("0")]
    over.set()
    assert ended.wait(10)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    async def main() -> None:
        indexes = MilvusIndexes("http://root:s3cret@127.0.0.1:9", tmp_path, "eval-A")
        async with indexes.open("0"):
            raise AssertionError

    with pytest.raises(EvaluationError, match="EVALD_MILVUS_URL") as e:
        asyncio.run(main())
    assert e.value.kind == "index"
    assert "127.0.0.1:9" in e.value.message
    assert "s3cret" not in e.value.message


def test_what_cannot_be_dropped_stays_noted(tmp_path: Path) -> None:
    leftovers = Leftovers(tmp_path / "collections")
    with leftovers.using("evald_a_0", "a"):
        assert leftovers.idle() == {}
    dropper = Dropper("http://root:s3cret@127.0.0.1:9", leftovers)
    failed = dropper.drop(["evald_a_0"])
    assert "127.0.0.1:9" in failed["evald_a_0"]
    assert "s3cret" not in failed["evald_a_0"]
    assert dropper.idle() == {"evald_a_0": "a"}
    dropper.close()
    assert dropper.drop(["evald_a_0"]) == {"evald_a_0": "the server ends"}
    assert Dropper(None, leftovers).idle() == {}


def test_long_texts_are_shortened() -> None:
    assert shortened("é" * 5) == "é" * 5
    assert len(shortened("é" * TEXT_BYTES).encode()) == TEXT_BYTES - 1
    assert shortened("x" * TEXT_BYTES) == "x" * TEXT_BYTES
