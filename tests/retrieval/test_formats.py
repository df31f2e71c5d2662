"""Collections in BEIR's, SQuAD's and RAGAS's format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evald.clients.datasets import FileDatasets
from evald.errors import EvaluationError
from evald.flows.door import check_rows
from evald.retrieval.collection import Collection, Gaps, Query
from evald.retrieval.formats import open_collection
from evald.settings import ClientSettings
from evald.vectors import Passage

QRELS = "query-id\tcorpus-id\tscore\nq1\td2\t1\nq1\td1\t0\nq2\td1\t2\n"
BEIR = {
    "corpus.jsonl": [
        {"_id": "d1", "title": "One", "text": "first", "metadata": {}},
        {"_id": "d2", "title": "", "text": "second"},
        {"_id": "d3", "title": "", "text": " "},
    ],
    "queries.jsonl": [
        {"_id": "q1", "text": "number two"},
        {"_id": "q2", "text": "number one", "answer": "1"},
        {"_id": "q3", "text": ""},
    ],
    "qrels/test.tsv": QRELS,
}
ARTICLES = {
    "version": "1.1",
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "Paris is big.",
                    "qas": [
                        {"id": "a", "question": "Which is?", "answers": [{"text": "Paris"}]},
                        {"id": "b", "question": "Is it?", "answers": []},
                    ],
                },
                {"context": "Rome is old.", "qas": [{"id": "c", "question": "What is old?"}]},
            ],
        }
    ],
}
FLAT = [
    {
        "id": "a",
        "context": "Paris is big.",
        "question": "Which is?",
        "answers": {"text": ["Paris"]},
    },
    {"id": "b", "context": "Paris is big.", "question": "Is it?", "answers": {"text": []}},
    {"id": "c", "context": "Rome is old.", "question": "What is old?"},
]
RAGAS = [
    {"question": "x?", "contexts": ["A", "B"], "ground_truth": "y", "answer": "z"},
    {"user_input": "v?", "retrieved_contexts": ["C"], "reference_contexts": ["B", "D"]},
]

Opened = Callable[..., Collection]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def opened(folder: Path) -> Opened:
    """Writes files and opens the collection, all of it read."""

    def opened(files: dict[str, Any], kind: str, **more: Any) -> Collection:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str) else "".join(map(line, content))
            packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
            path.write_bytes(packed)
        datasets = FileDatasets(ClientSettings(data_dir=folder, file_roots=(str(folder),)))
        collection = open_collection(datasets, {"files_url": str(folder), **more}, kind)
        for part in collection.parts():
            check_rows(datasets, part.dataset, part.read, "t", unfold=part.unfold)
        return collection

    return opened


def line(row: Any) -> str:
    return json.dumps(row) + "\n"


def texts(collection: Collection) -> list[tuple[str, dict[str, int], str]]:
    """The queries, with the texts of what is relevant for them."""
    named = dict(collection.documents())
    return [
        (q.text, {named[name]: grade for name, grade in q.relevant.items()}, q.reference)
        for q in collection.queries()
    ]


def test_beir(opened: Opened) -> None:
    collection = opened(BEIR, "beir")
    documents = [Passage("d1", "One first"), Passage("d2", "second")]
    assert list(collection.documents()) == list(collection.documents()) == documents
    assert list(collection.queries()) == [
        Query("q1", "number two", {"d2": 1, "d1": 0}),
        Query("q2", "number one", {"d1": 2}, "1"),
    ]
    assert collection.size == 2


def test_beir_is_told_by_its_files(opened: Opened) -> None:
    assert opened(BEIR, "ragas").size == 2


def test_beir_in_folders_and_packed(opened: Opened, folder: Path) -> None:
    files = {
        "corpus/part-0.jsonl": BEIR["corpus.jsonl"][:1],
        "corpus/part-1.jsonl": BEIR["corpus.jsonl"][1:],
        "queries.jsonl.gz": BEIR["queries.jsonl"],
        "qrels/dev.tsv": "query-id\tcorpus-id\tscore\nq2\td2\t1\n",
        "qrels/test.tsv": QRELS,
        "README.md": "hello",
    }
    assert opened(files, "beir").size == 2
    assert [q.relevant for q in opened({}, "beir", split="dev").queries()] == [{"d2": 1}]


def test_a_limit_is_of_documents(opened: Opened) -> None:
    collection = opened(BEIR, "beir", limit=1)
    assert list(collection.documents()) == [Passage("d1", "One first")]
    # What answers q1 is beyond the limit, and d1, which was judged not to, is no answer.
    assert [(q.id, q.relevant) for q in collection.queries()] == [("q2", {"d1": 2})]
    assert collection.size == 1


def test_judgments_of_what_is_not_there(opened: Opened) -> None:
    assert opened(BEIR, "beir").gaps() == Gaps(relevant=2)
    more = "q2\td9\t1\nq2\td3\t1\nq8\td1\t1\nq9\td1\t0\n"
    files = {**BEIR, "qrels/test.tsv": QRELS + more}
    assert opened(files, "beir").gaps() == Gaps(4, 2, "d9", 2, "q8")
    assert opened({}, "beir", limit=1).gaps() == Gaps(4, 0, "", 2, "q8")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.json", json.dumps(ARTICLES)),
        ("train.json", json.dumps(ARTICLES["data"])),
        ("train.json", json.dumps(ARTICLES, indent=1)),
        ("train.jsonl", ARTICLES["data"][0]["paragraphs"]),  # type: ignore[index]
        ("train.jsonl", FLAT),
        ("train.json", json.dumps(FLAT)),
    ],
)
def test_squad(opened: Opened, name: str, content: Any) -> None:
    collection = opened({name: content}, "squad")
    assert [text for _, text in collection.documents()] == ["Paris is big.", "Rome is old."]
    assert [query.id for query in collection.queries()] == ["a", "b", "c"]
    assert texts(collection) == [
        ("Which is?", {"Paris is big.": 1}, "Paris"),
        ("Is it?", {"Paris is big.": 1}, ""),
        ("What is old?", {"Rome is old.": 1}, ""),
    ]
    assert [q.id for q in opened({name: content}, "squad", limit=1).queries()] == ["a", "b"]


@pytest.mark.parametrize(
    "rows",
    [
        RAGAS,
        [{
            "question": ["x?", "v?"], "contexts": [["A", "B"], ["B", "D"]],
            "ground_truth": ["y", ""],
        }],
    ],
)  # fmt: skip
def test_ragas(opened: Opened, rows: Any) -> None:
    collection = opened({"rows.jsonl": rows}, "ragas")
    assert [text for _, text in collection.documents()] == ["A", "B", "D"]
    assert collection.gaps() is None
    assert texts(collection) == [("x?", {"A": 1, "B": 1}, "y"), ("v?", {"B": 1, "D": 1}, "")]


def test_the_format_that_is_told_counts(opened: Opened) -> None:
    assert opened({"rows.jsonl": RAGAS}, "beir", format="ragas").size == 3
    with pytest.raises(EvaluationError, match="did you mean 'ragas'"):
        opened({}, "beir", format="raggas")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {
                "corpus.jsonl": [
                    {"_id": "d1", "text": "x"},
                    {"text": "x"},
                    {"_id": "d1"},
                    {"_id": 5},
                ]
            },
            "corpus.jsonl, line 2: the row has no _id or id; corpus.jsonl, line 3: _id: 'd1' is "
            "there twice; corpus.jsonl, line 4: the row has no text",
        ),
        (
            {"queries.jsonl": [{"_id": "q1", "text": 5}, {"_id": "q2", "text": ""}]},
            "queries.jsonl, line 1: text: 5 is no text; queries.jsonl, line 2: text: '' is no text",
        ),
        (
            {"qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\tx\nq1\t\t1\nq1\td1\t1.5\n"},
            "qrels/test.tsv, line 2: score: 'x' is no whole number; qrels/test.tsv, line 3: "
            "corpus-id: '' is no name of 1 to 512 bytes; qrels/test.tsv, line 4: score: '1.5'",
        ),
        (
            {"qrels/test.tsv": "query\tdoc\nq1\td1\n"},
            "qrels/test.tsv, line 2: the row has no query-id",
        ),
    ],
)
def test_rows_of_beir_that_are_wrong(opened: Opened, changed: Any, message: str) -> None:
    with pytest.raises(EvaluationError) as e:
        opened({**BEIR, **changed}, "beir")
    assert e.value.kind == "dataset"
    assert message in e.value.message


@pytest.mark.parametrize(
    ("kind", "rows", "message"),
    [
        ("squad", [{"context": "x"}, {"question": "y"}], "line 1: the row has no question; "),
        ("squad", [{"data": 5}], "line 1: data: it must be a list of objects"),
        (
            "squad",
            [{"data": [{"paragraphs": [{"context": "x", "qas": []}, {"qas": [1]}]}]}],
            "line 1: data[0].paragraphs[1].qas: it must be a list of objects",
        ),
        (
            "squad",
            [{"paragraphs": [{"context": "x", "qas": [{"question": "y"}, {}]}, {"qas": [{}]}]}],
            "line 1: paragraphs[0].qas[1]: the row has no question; rows.jsonl, line 1: "
            "paragraphs[1].qas[0]: the row has no question",
        ),
        (
            "ragas",
            [{"question": ["x", "y"], "contexts": [["a"], "b"]}],
            "line 1: entry 1 of the columns: contexts: 'b' is no list of texts",
        ),
        ("ragas", [{"question": "x"}], "line 1: the row has no contexts"),
        ("ragas", [{"question": "x", "contexts": [" "]}], "line 1: contexts: there is no text"),
        ("ragas", [{"question": "", "contexts": ["y"]}], "line 1: question: there is no text"),
    ],
)
def test_rows_of_contexts_that_are_wrong(
    opened: Opened, kind: str, rows: Any, message: str
) -> None:
    with pytest.raises(EvaluationError) as e:
        opened({"rows.jsonl": rows}, kind)
    assert e.value.kind == "dataset"
    assert message in e.value.message


def test_a_fault_in_a_published_file_is_told_by_its_place(opened: Opened) -> None:
    paragraph = {"context": "x", "qas": [{"question": "y"}]}
    articles = [{"paragraphs": [paragraph] * 3} for _ in range(5)]
    articles[3] = {"paragraphs": [paragraph, paragraph, {"context": "x", "qas": [{"id": "z"}]}]}
    with pytest.raises(EvaluationError) as e:
        opened({"train.json": json.dumps({"data": articles})}, "squad")
    place = "data[3].paragraphs[2].qas[0]"
    assert e.value.message == f"train.json, line 1: {place}: the row has no question"


@pytest.mark.parametrize(
    ("names", "more", "message"),
    [
        (["corpus.jsonl"], {}, "has no queries: BEIR's format is a folder with"),
        (["queries.jsonl", "qrels/test.tsv"], {}, "has no corpus"),
        (["corpus.jsonl", "queries.jsonl"], {}, "has no qrels"),
        (list(BEIR), {"split": "dev"}, "no judgments of the split 'dev', only qrels/test.tsv"),
    ],
)
def test_files_of_beir_that_are_not_there(
    opened: Opened, names: list[str], more: Any, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        opened({name: BEIR[name] for name in names}, "beir", **more)


def test_a_collection_in_a_folder_of_the_data_set(tmp_path: Path) -> None:
    settings = ClientSettings(data_dir=tmp_path)
    folder = settings.data_dir / "datasets" / "ns" / "name" / "beir"
    folder.mkdir(parents=True)
    for name in ("corpus.jsonl", "queries.jsonl"):
        (folder / name).write_text("{}")
    dataset = {"files_url": "hf://datasets/ns/name"}
    with pytest.raises(EvaluationError, match=r"use files_url hf://datasets/ns/name/beir$"):
        open_collection(FileDatasets(settings), dataset, "beir")
