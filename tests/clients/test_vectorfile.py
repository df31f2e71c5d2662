"""Indexes in files, and such as begin elsewhere, beside an exact search in memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evald.clients import milvus, vectorfile
from evald.clients.milvus import MilvusIndexes
from evald.clients.vectorfile import Overflowing, VectorFile
from evald.errors import EvaluationError
from evald.vectors import Passage
from tests.clients.test_milvus import SIZE, asked, passages, same, vectors
from tests.exact import ExactIndex

KILLED = """
import asyncio, os, sys
from pathlib import Path
from evald.clients.vectorfile import VectorFile
from tests.clients.test_milvus import SIZE, passages, vectors

async def main():
    file = VectorFile(Path(sys.argv[1]) / "a")
    await file.add(passages(0, 30), vectors(0, 30))
    with open(sys.argv[1] + "/a.f32", "ab") as torn:
        torn.write(bytes(SIZE * 4 + 7))
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.mark.parametrize("block", [1, SIZE * 4 * 7, 2**20])
def test_a_file_finds_what_an_exact_search_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(vectorfile, "BLOCK_BYTES", block)

    async def main() -> None:
        exact, file = ExactIndex(), VectorFile(tmp_path / "a")
        assert await file.count() == 0
        assert await file.search(asked()[0], 3) == []
        for index in (exact, file):
            await index.add(passages(0, 120), vectors(0, 120))
            await index.add(passages(120, 200), vectors(120, 200))
        await exact.ready()
        mosts = [1, 5, 199, 200, 300] * 8
        at_once = await asyncio.gather(*map(file.search, asked(), mosts))
        wanted = [await exact.search(*one) for one in zip(asked(), mosts, strict=True)]
        assert all(map(same, at_once, wanted))
        file.close()

    asyncio.run(main())


def test_what_a_killed_process_has_added_to_a_file_is_there(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -9

    async def main() -> None:
        exact, file = ExactIndex(), VectorFile(tmp_path / "a")
        assert await file.count() == 30
        await file.add(passages(30, 50), vectors(30, 50))
        await exact.add(passages(0, 50), vectors(0, 50))
        await exact.ready()
        for vector in asked():
            assert same(await file.search(vector, 50), await exact.search(vector, 50))
        file.close()

    asyncio.run(main())


def test_vectors_that_are_none(tmp_path: Path) -> None:
    async def main() -> None:
        file = VectorFile(tmp_path / "a")
        await file.add([Passage("a", ""), Passage("b", "")], [[0.0, 0.0], [3.0, 4.0]])
        found = await file.search([6.0, 8.0], 2)
        assert [(one.id, round(one.score, 6)) for one in found] == [("b", 1), ("a", 0)]
        for wrong in ([1.0], [1.0, 2.0, 3.0]):
            with pytest.raises(EvaluationError, match="dimensions") as e:
                await file.search(wrong, 1)
            assert e.value.kind == "index"
            with pytest.raises(EvaluationError, match="dimensions"):
                await file.add([Passage("c", "")], [wrong])
        assert await file.count() == 2
        file.close()

    asyncio.run(main())


@pytest.mark.parametrize("batch", [7, 50, 200])
def test_an_index_that_overflows_finds_the_same(tmp_path: Path, batch: int) -> None:
    async def main() -> None:
        exact, first = ExactIndex(), ExactIndex()
        file = VectorFile(tmp_path / "a")
        for start in range(0, 200, batch):
            there = Overflowing(first, file, 50)  # as the next attempt would find it
            assert await there.count() == start
            end = min(start + batch, 200)
            for index in (exact, there):
                await index.add(passages(start, end), vectors(start, end))
        assert (await first.count(), await file.count()) == (50, 150)
        for index in (exact, there):
            await index.ready()
        for vector, most in zip(asked(), [1, 10, 60, 300] * 10, strict=True):
            assert same(await there.search(vector, most), await exact.search(vector, most))
        file.close()

    asyncio.run(main())


def test_what_milvus_lite_shall_not_hold_is_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "MOST_HERE", 50)

    async def main() -> None:
        exact = ExactIndex()
        indexes = MilvusIndexes(None, tmp_path, "eval-A")
        for start in (0, 80):
            async with indexes.open("0") as index:
                for one in (index, exact):
                    await one.add(passages(start, start + 80), vectors(start, start + 80))
        async with indexes.open("1") as other:
            assert await other.count() == 0
        async with indexes.open("0") as index:
            assert await index.count() == 160
            for one in (index, exact):
                await one.ready()
            for vector in asked():
                assert same(await index.search(vector, 90), await exact.search(vector, 90))

    asyncio.run(main())
    assert np.fromfile(tmp_path / "evald_eval_A_0.f32", np.float32).size == 110 * SIZE
