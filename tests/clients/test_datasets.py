"""Data sets by every kind of URL, and every way in which one can be wrong."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evald.clients.datasets import FileDatasets
from evald.clients.embedded import delete, put
from evald.errors import EvaluationError, InvalidArgument, NotFound
from evald.settings import ClientSettings
from tests.clients.hub import FakeHub, serving
from tests.endpoint import Answer, Endpoint

ROWS = [{"a": 1, "b": "é"}, {"a": 2, "b": "x,\ny"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'a,b\n1,é\n2,"x,\ny"\n'
TEXTS = [{"a": "1", "b": "é"}, {"a": "2", "b": "x,\ny"}]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as made:
        yield made


def store(settings: ClientSettings, **files: str | bytes) -> str:
    """Stores files as `ns/name`, `_` in their names standing for the last dot."""
    folder = settings.data_dir / "datasets" / "ns" / "name"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / ".".join(name.rsplit("_", 1))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return "hf://datasets/ns/name"


def read(settings: ClientSettings, url: str, **more: Any) -> list[dict[str, Any]]:
    """The rows of a data set, whose number is what `count` says."""
    datasets = FileDatasets(settings)
    found = list(datasets.rows({"files_url": url, **more}))
    assert datasets.count({"files_url": url, **more}) == len(found)
    return found


def complaint(settings: ClientSettings, url: str | None, **more: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        list(FileDatasets(settings).rows({"files_url": url, **more}))
    assert caught.value.kind == "dataset"
    return caught.value.message


def test_places_of_rows(settings: ClientSettings) -> None:
    url = store(
        settings, a_jsonl="\n" + LINES.replace("\n", "\n\n"), b_csv=CSV, c_json=json.dumps(ROWS)
    )
    datasets = FileDatasets(settings)
    assert [datasets.place({"files_url": url}, i) for i in range(6)] == [
        "a.jsonl, line 2", "a.jsonl, line 4", "b.csv, line 2", "b.csv, line 4", "c.json, row 1",
        "c.json, row 2",
    ]  # fmt: skip
    with pytest.raises(IndexError):
        datasets.place({"files_url": url}, 6)


@pytest.mark.parametrize(
    ("file", "content", "rows"),
    [
        ("x_jsonl", LINES, ROWS),
        ("x_jsonl", "\n" + LINES.replace("\n", "\r\n\r\n"), ROWS),
        ("x_jsonl", LINES.removesuffix("\n"), ROWS),
        ("x_jsonl", b"\xef\xbb\xbf" + LINES.encode(), ROWS),
        ("x_ndjson", LINES, ROWS),
        ("x_json", json.dumps(ROWS, indent=2), ROWS),
        ("x_json", b"\xef\xbb\xbf  \n" + json.dumps(ROWS).encode(), ROWS),
        ("x_json", " " * 10**5 + json.dumps(ROWS), ROWS),
        ("x_json", LINES, ROWS),
        ("x_csv", CSV, TEXTS),
        ("x_csv", b"\xef\xbb\xbf" + CSV.encode(), TEXTS),
        ("x_csv", "a,b\r\n\r\n1,\r\n", [{"a": "1", "b": ""}]),
        ("x_tsv", "a\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
        ("x_jsonl_gz", gzip.compress(LINES.encode(), mtime=0), ROWS),
        ("x_data", LINES, ROWS),
        ("x_data", json.dumps(ROWS), ROWS),
        ("x_data", CSV, TEXTS),
    ],
)
def test_formats(
    settings: ClientSettings, file: str, content: str | bytes, rows: list[dict[str, Any]]
) -> None:
    if file == "x_jsonl_gz":
        url = store(settings, **{"x.jsonl_gz": content})
        assert read(settings, f"{url}/x.jsonl.gz") == rows
        return
    url = store(settings, **{file: content})
    assert read(settings, f"{url}/{file.replace('_', '.')}") == rows


def test_numbers_stay_what_they_are(settings: ClientSettings) -> None:
    row = {"i": 2**53 + 1, "f": 0.1, "n": -(2**62)}
    url = store(settings, a_jsonl=json.dumps(row), b_json=json.dumps([row]))
    assert read(settings, url) == [row, row]
    store(settings, a_jsonl='{"x": NaN}\n')
    assert read(settings, f"{url}/a.jsonl")[0]["x"] != read(settings, f"{url}/a.jsonl")[0]["x"]


def test_a_folder_is_read_in_order_of_names(settings: ClientSettings) -> None:
    url = store(settings, b_csv="n\n3\n", a_jsonl='{"n": 1}\n{"n": 2}\n', README_md="# no rows")
    store(settings, **{".hidden_jsonl": "{}", "dataset_infos_json": "[]"})
    below = settings.data_dir / "datasets" / "ns" / "name" / "test"
    below.mkdir()
    (below / "c.jsonl").write_text('{"n": 4}')
    for whole in (url, f"{url}/"):
        assert [row["n"] for row in read(settings, whole)] == [1, 2, "3", 4]
    assert read(settings, f"{url}/test") == read(settings, f"{url}/test/") == [{"n": 4}]
    assert read(settings, url, split="test") == [{"n": 4}]
    assert "no split 'train'" in complaint(settings, url, split="train")


@pytest.mark.parametrize(("limit", "rows"), [(None, 5), (1, 1), (3, 3), (4.0, 4), (9, 5)])
def test_limit(settings: ClientSettings, limit: float | None, rows: int) -> None:
    url = store(settings, a_jsonl="{}\n" * 3, b_json="[{},{}]")
    assert len(read(settings, url, limit=limit)) == rows


@pytest.mark.parametrize("limit", [0, -1, 1.5, "2"])
def test_a_limit_out_of_range(settings: ClientSettings, limit: Any) -> None:
    assert "dataset.limit" in complaint(settings, store(settings, a_jsonl="{}\n"), limit=limit)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("x_jsonl", "{}\n\n{oops\n", "x.jsonl, line 3: it is not JSON"),
        ("x_jsonl", "{}\n[1]\n", "x.jsonl, line 2: a row must be a JSON object, not an array"),
        ("x_jsonl", "7\n", "x.jsonl, line 1: a row must be a JSON object, not a number"),
        ("x_jsonl", b'{}\n{"a":"\xff"}\n', "x.jsonl, line 2: byte 0xff at column 7 is not UTF-8"),
        ("x_jsonl", LINES.encode("utf-16"), "x.jsonl: it is UTF-16; save it as UTF-8"),
        ("x_jsonl", "", "holds no rows"),
        ("x_jsonl", " \n\n", "holds no rows"),
        ("x_json", "[]", "holds no rows"),
        ("x_json", "", "holds no rows"),
        ("x_json", '[{},\n{"a": oops}]', "x.json, line 2, item 2: it is not JSON"),
        ("x_json", "[{},\n{}", "x.json, line 2, item 3: it is not JSON: ',' or ']' is expected"),
        ("x_json", b'[{},\n{"a":"\xff"}]', "x.json, line 2, item 1: byte 0xff is not UTF-8"),
        ("x_json", "[{}, 7]", "x.json, line 1, item 2: a row must be a JSON object, not a number"),
        ("x_json", '{\n "a": 1\n}\n{}', "x.json: it is not JSON: unexpected content"),
        ("x_jsonl", '{\n "a": 1\n}', "must hold an array of objects, or one object on each line"),
        ("x_csv", "", "holds no rows"),
        ("x_csv", "a,b\n", "holds no rows"),
        ("x_csv", "a,b\n1,2\n1\n", "x.csv, line 3: it has 1 values, and the header names 2"),
        ("x_csv", "a,b\n1,2,3\n", "x.csv, line 2: it has 3 values"),
        ("x_csv", "a,a\n1,2\n", "x.csv, line 1: columns have the same name: ['a']"),
        ("x_csv", 'a,b\n1,"2\n', "x.csv, line 2: it is not CSV"),
        ("x_csv", b"a,b\n1,\xe9\n", "x.csv, line 2: byte 0xe9 at column 3 is not UTF-8"),
    ],
)
def test_bad_files_say_where(
    settings: ClientSettings, file: str, content: str | bytes, said: str
) -> None:
    assert said in complaint(settings, store(settings, **{file: content}))


def test_broken_gzip(settings: ClientSettings) -> None:
    whole = gzip.compress(LINES.encode() * 1000, mtime=0)
    url = store(settings, **{"x.jsonl_gz": whole[: len(whole) // 2]})
    assert "x.jsonl.gz: " in complaint(settings, url)
    url = store(settings, **{"x.jsonl_gz": b"not gzip"})
    assert "x.jsonl.gz, line 1: it is not JSON" in complaint(settings, url)


def test_gzip_that_was_taken_off_on_the_way(settings: ClientSettings) -> None:
    """As web servers do that call it an encoding."""
    url = store(settings, **{"x.jsonl_gz": LINES.encode()})
    assert read(settings, url) == ROWS


def test_a_line_of_csv_without_end(
    settings: ClientSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of it is read than a row may have."""
    monkeypatch.setattr("evald.clients.rows.ROW_LIMIT", 100)
    url = store(settings, x_csv="a" * 1000)
    assert "x.csv, line 1: it has more than" in complaint(settings, url)


def test_a_long_value_fits_and_an_endless_line_does_not(
    settings: ClientSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(read(settings, store(settings, x_csv=f"a\n{'x' * 2**20}\n"))[0]["a"]) == 2**20
    monkeypatch.setattr("evald.clients.rows.ROW_LIMIT", 1000)
    url = store(settings, y_jsonl=json.dumps({"a": "x" * 2000}))
    assert "y.jsonl, line 1: it has more than" in complaint(settings, f"{url}/y.jsonl")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "needs to have the files_url property set"),
        ("", "needs to have the files_url property set"),
        ("hf://datasets/ns/other", "Dataset hf://datasets/ns/other is not present on datastore"),
        ("hf://datasets/ns/other", "evald datasets put ns/other FILES"),
        ("hf://datasets/ns/name/no.jsonl", "is not present on datastore"),
        ("hf://datasets/ns/notes", "has no data files"),
        ("hf://datasets/ns", "is not hf://datasets/NAMESPACE/NAME"),
        ("hf://datasets/", "is not hf://datasets/NAMESPACE/NAME"),
        ("hf://datasets/ns/..", "must not hold '..'"),
        ("hf://datasets/../name", "must not hold '..'"),
        ("hf://datasets/ns/name/../../x", "must not hold '..'"),
        ("hf://datasets/ns/name/%2e%2e/%2e%2e/x", "must not hold '..'"),
        ("hf://datasets/ns/name/..%2f..%2fx", "must not hold '..'"),
        ("hf://datasets/ns/name/a\\b", "must not hold"),
        ("hf://datasets/ns/name/%00", "must not hold"),
        ("hf://datasets/.ns/name", "is not hf://datasets/NAMESPACE/NAME"),
        ("hf://models/ns/name", "must begin with one of"),
        ("file://nothing/", "there is no built-in data set 'nothing'; there is python"),
        ("/etc/passwd", "outside the folders that EVALD_FILE_ROOTS opens"),
        ("file:///etc/passwd", "outside the folders that EVALD_FILE_ROOTS opens"),
        ("data.jsonl", "must begin with one of"),
        ("local:///etc/passwd", "must begin with one of"),
        ("ftp://host/x", "must begin with one of"),
        ("memory://x", "must begin with one of"),
        ("s3://", "must begin with one of"),
        ("s3://bucket/x::file:///etc/passwd", "must not hold"),
        ("simplecache::s3://bucket/x", "must begin with one of"),
        ("gs://bucket/x", "needs the package gcsfs"),
        ("nds:repo/file", "must begin with one of"),
        ("http://[", "is not a URL"),
    ],
)
def test_urls_that_lead_nowhere(settings: ClientSettings, url: str | None, said: str) -> None:
    store(settings, a_jsonl="{}")
    notes = settings.data_dir / "datasets" / "ns" / "notes"
    notes.mkdir()
    (notes / "README.md").write_text("# nothing")
    assert said in complaint(settings, url)


def test_local_paths_only_inside_roots(settings: ClientSettings, tmp_path: Path) -> None:
    root, outside = tmp_path / "open", tmp_path / "closed"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "x.jsonl").write_text(LINES)
    (root / "link.jsonl").symlink_to(outside / "x.jsonl")
    settings = settings.model_copy(update={"file_roots": (str(root),)})
    assert read(settings, f"{root}/x.jsonl") == ROWS
    assert read(settings, f"file://{root}/x.jsonl") == ROWS
    assert "outside" in complaint(settings, f"{root}/link.jsonl")
    assert "leads out of its folder" in complaint(settings, str(root))
    assert "'..'" in complaint(settings, f"{root}/../closed/x.jsonl")
    assert "outside" in complaint(settings, f"{outside}/x.jsonl")
    assert "outside" in complaint(settings, f"{root}2/x.jsonl")
    assert "is not present" in complaint(settings, f"{root}/no.jsonl")


def test_a_built_in_data_set(
    settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evald.clients.datasets.BUILT_IN", tmp_path)
    (tmp_path / "quiz").mkdir()
    (tmp_path / "quiz" / "x.jsonl").write_text(LINES)
    assert read(settings, "file://quiz/") == read(settings, "file://quiz/x.jsonl") == ROWS
    assert "there is python, quiz" in complaint(settings, "file://quit/")


def test_memory_does_not_grow_with_rows(settings: ClientSettings) -> None:
    row = {"prompt": "x" * 50, "ideal_response": "y" * 50}
    line = json.dumps(row) + "\n"

    def peak(rows: int) -> int:
        url = store(
            settings,
            a_jsonl=line * rows,
            b_json="[" + ",".join([line] * rows) + "]",
            c_csv="prompt,ideal\n" + f"{'x' * 50},{'y' * 50}\n" * rows,
        )
        tracemalloc.start()
        assert sum(1 for _ in FileDatasets(settings).rows({"files_url": url})) == 3 * rows
        assert FileDatasets(settings).count({"files_url": url}) == 3 * rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(1_000), peak(20_000)
    assert many < few + 2**18


def test_hugging_face_endpoint(settings: ClientSettings, hub: FakeHub) -> None:
    hub.repos["ns/name"] = {
        "b.jsonl": b'{"n": 2}\n',
        "a.json": b'[{"n": 1}]',
        "deep/c.csv": b"n\n3\n",
        "README.md": b"#",
        ".gitattributes": b"",
    }
    url = "hf://datasets/ns/name"
    there = settings.model_copy(update={"data_store_url": hub.url})
    assert [row["n"] for row in read(there, url)] == [1, 2, "3"]
    assert read(there, f"{url}/deep") == [{"n": "3"}]
    assert read(there, f"{url}/a.json") == [{"n": 1}]
    assert read(settings, f"{url}/b.jsonl", hf_endpoint=hub.url + "/") == [{"n": 2}]
    assert "is not present on datastore" in complaint(there, f"{url}/no.jsonl")
    assert "is not present on datastore" in complaint(there, "hf://datasets/ns/no")


def test_the_token_of_this_machine_goes_to_the_operators_store_only(
    settings: ClientSettings, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    hub.repos["ns/name"] = {"b.jsonl": b"{}\n"}
    url = "hf://datasets/ns/name"
    read(settings, url, hf_endpoint=hub.url)
    assert not any("authorization" in map(str.lower, r[2]) for r in hub.requests)
    read(settings, url, hf_endpoint=hub.url, hf_token="hf_given")
    assert hub.requests[-1][2]["authorization"] == "Bearer hf_given"
    read(settings.model_copy(update={"data_store_url": hub.url}), url)
    assert hub.requests[-1][2]["authorization"] == "Bearer hf_canary"


def test_a_hub_that_is_away_or_refused(
    settings: ClientSettings, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.repos["ns/name"] = {"b.jsonl": b"{}\n"}
    url = "hf://datasets/ns/name"
    assert "egress policy" in complaint(settings, url, hf_endpoint="http://169.254.169.254/v1/hf")
    assert "egress policy" in complaint(settings, url, hf_endpoint="http://user:pw@host/")
    assert "http://127.0.0.1:1" in complaint(settings, url, hf_endpoint="http://127.0.0.1:1")
    hub.redirect = "http://169.254.169.254/latest"
    assert "egress policy" in complaint(settings, url, hf_endpoint=hub.url)


def test_one_file_from_the_web(settings: ClientSettings) -> None:
    with Endpoint(always=Answer(200, LINES.encode())) as web:
        assert read(settings, f"{web.root}/files/x.jsonl?sig=1") == ROWS
        assert read(settings, f"{web.root}/files") == ROWS
        web.always = Answer(404)
        assert "404 Not Found" in complaint(settings, f"{web.root}/x.jsonl")
        web.always = Answer(302, headers={"Location": "http://169.254.169.254/x"})
        assert "redirects to http://169.254" in complaint(settings, f"{web.root}/x.jsonl")
    assert "x.jsonl: " in complaint(settings, f"{web.root}/x.jsonl")
    assert "egress policy" in complaint(settings, "http://169.254.169.254/x.jsonl")
    assert "egress policy" in complaint(settings, "http://me:pw@127.0.0.1/x.jsonl")
    narrow = settings.model_copy(update={"egress": ("data.example",)})
    assert "egress policy" in complaint(narrow, f"{web.root}/x.jsonl")


def test_whole_numbers_of_any_size(settings: ClientSettings) -> None:
    row = {"n": 10**32, "m": -(10**19), "text": "1" * 30}
    url = store(settings, a_jsonl=json.dumps(row), b_json=json.dumps([row]))
    assert read(settings, url) == [row, row]
    assert all(isinstance(one["n"], int) for one in read(settings, url))


def test_put_and_delete(settings: ClientSettings, tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text('{"n": 1}')
    second.write_text('{"n": 2}')
    url = put(settings.data_dir, "ns/new", [first, second])
    assert url == "hf://datasets/ns/new"
    assert [row["n"] for row in read(settings, url)] == [1, 2]
    reading = FileDatasets(settings).rows({"files_url": url})
    first.write_text('{"n": 3}\n{"n": 4}')
    assert next(reading) == {"n": 1}
    put(settings.data_dir, "ns/new", [first])
    assert [row["n"] for row in read(settings, url)] == [3, 4, 2]
    assert [row["n"] for row in reading] == [2]
    assert [p.name for p in (settings.data_dir / "datasets" / "ns").iterdir()] == ["new"]
    delete(settings.data_dir, f"{url}/a.jsonl")
    assert [row["n"] for row in read(settings, url)] == [2]
    delete(settings.data_dir, url)
    assert "is not present" in complaint(settings, url)
    with pytest.raises(NotFound):
        delete(settings.data_dir, url)


def test_what_a_killed_process_left_is_cleared_away(
    settings: ClientSettings, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    store = settings.data_dir / "datasets" / "ns"
    old, new = store / ".staging-old", store / ".staging-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    put(settings.data_dir, "ns/name", [tmp_path / "a.jsonl"])
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize(
    "name", ["x", "a/b/c", "../x", "a/..", "/x", "a/.b", "a b/c", "", "a/", "é/x", "a/b\n"]
)
def test_put_refuses_names(settings: ClientSettings, tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(InvalidArgument, match="NAMESPACE/NAME"):
        put(settings.data_dir, name, [tmp_path / "a.jsonl"])
    assert not settings.data_dir.exists()


def test_put_stores_all_or_nothing(settings: ClientSettings, tmp_path: Path) -> None:
    good, twin, hidden = tmp_path / "a.jsonl", tmp_path / "sub" / "a.jsonl", tmp_path / ".b.jsonl"
    twin.parent.mkdir()
    for file in (good, twin, hidden):
        file.write_text("{}")
    empty = tmp_path / "empty"
    (empty / ".git").mkdir(parents=True)
    (empty / ".git" / "config").touch()
    for files in ([], [good, tmp_path / "no"], [empty], [good, twin], [good, hidden]):
        with pytest.raises(InvalidArgument):
            put(settings.data_dir, "ns/name", files)
    assert not settings.data_dir.exists()


def test_put_keeps_folders(
    settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a BEIR collection has them, and a checkpoint of sentence-transformers."""
    own = tmp_path / "mine"
    for name in ("corpus.jsonl", "qrels/test.tsv", ".cache/x", "qrels/.DS_Store"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(name)
    (own / "linked.jsonl").symlink_to(own / "corpus.jsonl")
    there = settings.data_dir / "datasets" / "ns"

    def stored(name: str) -> dict[str, str]:
        files = (path for path in (there / name).rglob("*") if path.is_file())
        return {str(path.relative_to(there / name)): path.read_text() for path in files}

    inside = {"corpus.jsonl": "corpus.jsonl", "linked.jsonl": "corpus.jsonl"}
    inside["qrels/test.tsv"] = "qrels/test.tsv"
    put(settings.data_dir, "ns/parts", sorted(own.glob("[!.]*")))
    assert stored("parts") == inside
    put(settings.data_dir, "ns/whole", [own])
    assert stored("whole") == {f"mine/{name}": text for name, text in inside.items()}
    monkeypatch.chdir(own)
    put(settings.data_dir, "ns/here", [Path()])
    assert stored("here") == inside
    (own / "qrels" / "test.tsv").write_text("new")
    put(settings.data_dir, "ns/here", [Path("qrels")])
    assert stored("here") == inside | {"qrels/test.tsv": "new"}
    assert not (there / "here").is_symlink()


def test_put_replaces_no_folder_by_a_file(settings: ClientSettings, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_text("1")
    (tmp_path / "b").write_text("2")
    put(settings.data_dir, "ns/name", [tmp_path / "a" / "b"])
    with pytest.raises(InvalidArgument, match="'b' is a folder"):
        put(settings.data_dir, "ns/name", [tmp_path / "b"])
    put(settings.data_dir, "ns/other", [tmp_path / "b"])
    for name, paths in {"ns/other": [], "ns/new": [tmp_path / "b"]}.items():
        with pytest.raises(InvalidArgument, match="'b' is a file"):
            put(settings.data_dir, name, [*paths, tmp_path / "a" / "b"])


@pytest.mark.parametrize(
    "url",
    ["hf://datasets/ns", "hf://datasets/ns/..", "hf://datasets/ns/name/../x", "/x", "s3://b/ns/x"],
)
def test_delete_refuses_urls(settings: ClientSettings, url: str) -> None:
    store(settings, a_jsonl="{}")
    with pytest.raises(InvalidArgument):
        delete(settings.data_dir, url)
    assert (settings.data_dir / "datasets" / "ns" / "name" / "a.jsonl").exists()
