"""JSON in lists, the same on both databases: odd keys and values, letters, and long targets."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from sqlalchemy import text

from evald.domain import ids
from evald.domain.documents import Maker
from evald.domain.listing import ListQuery
from evald.errors import InvalidArgument
from evald.store.search import MAX_DEPTH
from evald.store.store import Store

FIELDS = {
    "text": "Schön",
    "true": True,
    "number": 3,
    "fraction": 0.25,
    "object": {"k": [1, True]},
    "none": None,
    'a"b': 'quoted "so"',
    "it's": "there",
    "a.b": "dotted",
    "Schlüssel": "wert",
    "": "empty",
}


def query(**request: Any) -> ListQuery:
    return ListQuery.parse(request, ("created_at", "name"))


@pytest.fixture
def found(store: Store) -> Any:
    """How many of one target a list request finds."""
    target = {"type": "rows", "rows": [{"Größe": 'sagt "ÄÖ" \\ %'}], "custom_fields": FIELDS}
    target["description"] = "Über 100 %"
    store.targets.add(Maker().entity(target, ids.TARGET))
    return lambda **request: store.targets.page(query(**request)).total


@pytest.mark.parametrize(
    ("pair", "count"),
    [
        ("text=Schön", 1),
        ("text=schön", 0),
        ("true=true", 1),
        ("true=1", 0),
        ("number=3", 1),
        ("fraction=0.25", 1),
        ('object={"k":[1,true]}', 1),
        ("none=", 0),
        ("none=null", 0),
        ('a"b=quoted "so"', 1),
        ("it's=there", 1),
        ("a.b=dotted", 1),
        ("Schlüssel=wert", 1),
        ("=empty", 1),
        ("$.text=Schön", 0),
        ("text", 0),
        ("object.k=1", 0),
    ],
)
def test_custom_fields_of_any_kind(found: Any, pair: str, count: int) -> None:
    assert found(filter={"custom_fields": [pair]}) == count
    if count:
        assert found(search={"custom_fields": [pair.upper().replace(*pair_key(pair))]}) == 1


def pair_key(pair: str) -> tuple[str, str]:
    """The key of a pair in upper case, and as it is."""
    key = pair.partition("=")[0]
    return key.upper(), key


@pytest.mark.parametrize(
    ("field", "wanted", "count"),
    [
        ("description", "ÜBER", 1),
        ("description", "über 100 %", 1),
        ("description", "über_100", 0),
        ("rows", "grÖße", 1),
        ("rows", "äö", 1),
        ("rows", 'sagt "äö"', 1),
        ("rows", '"Größe":', 1),
        ("rows", "\\", 1),
        ("rows", "ä%", 0),
        ("rows", "u00", 0),
    ],
)
def test_letters_have_no_case(found: Any, field: str, wanted: str, count: int) -> None:
    assert found(search={field: [wanted]}) == count


def nested(depth: int, field: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An object that deep, and the search for what is at its bottom."""
    value: Any = "Größe"
    for _ in range(depth):
        value = {"k": value}
    return value, {f"{field}_members": [".".join("k" * depth) + f"={text}" for text in ("ß", "z")]}


def test_a_search_looks_only_so_deep(store: Store) -> None:
    """At its deepest in the largest statement: one of several texts with letters, beside other
    searches and filters, on a page of which the rows are counted."""
    value, search = nested(MAX_DEPTH, "rag")
    _, ownership = nested(MAX_DEPTH, "ownership")
    target = {"type": "rag", "namespace": "n", "project": "p", "rag": value, "ownership": value}
    stored = store.targets.add(Maker().entity(target, ids.TARGET))
    config = Maker().entity({"type": "custom", "params": value}, ids.CONFIG)
    store.configs.add(config)
    store.jobs.add({"id": "eval-1", "namespace": "n", "target": stored, "config": config})
    filter = {"namespace": "n", "project": "p", "created_at": {"gt": "2026-01-01"}}
    beside = {"created_at": {"start": "2026-01-01"}, "namespace": ["N"]}
    for page in (1, 2):
        listed = query(filter=filter, search={**search, **ownership, **beside}, page=page)
        assert store.targets.page(listed).total == 1
        listed = query(search=nested(MAX_DEPTH, "params")[1], page=page)
        assert store.configs.page(listed).total == 1
        path = ".".join(["rag", *"k" * (MAX_DEPTH - 1)])
        listed = query(search={"target_members": [f"{path}=größe", f"{path}=z"]}, page=page)
        assert store.jobs.page(listed).total == 1
    for entities, field in ((store.targets, "rag"), (store.jobs, "target")):
        with pytest.raises(InvalidArgument, match=f"{field}: it looks deeper than 6 names"):
            entities.page(query(search=nested(MAX_DEPTH + 1, field)[1]))


def test_texts_that_an_earlier_version_wrote_are_found(store: Store) -> None:
    made = store.targets.add(Maker().entity({"type": "rows", "rows": [{"q": "é"}]}, ids.TARGET))
    with store.database.write() as session:
        old = json.dumps({"rows": [{"q": "Größe"}]})
        session.execute(text("update target set spec = :old"), {"old": old})
    (entry,) = store.targets.page(query(search={"rows": ["Größe"]})).entries
    assert entry["id"] == made["id"]


def test_half_a_surrogate_pair_is_kept(store: Store) -> None:
    config = {"type": "custom", "name": "c", "params": {"stop": "\ud800é"}}
    store.configs.add(Maker().entity(config, ids.CONFIG))
    (entry,) = store.configs.page(query()).entries
    assert entry["params"] == {"stop": "\ud800é"}


@pytest.mark.parametrize("count", [0, 1, 20, 21, 5000])
def test_a_list_has_the_first_rows(store: Store, count: int) -> None:
    rows = [{"i": i, "é": f'"{i}"', "none": None, "deep": [{"x": 1.5}]} for i in range(count)]
    target = {"type": "rows", "name": "t", "rows": rows, "custom_fields": {"k": "v"}}
    stored = store.targets.add(Maker().entity(target, ids.TARGET))
    config = Maker().entity({"type": "custom", "name": "c"}, ids.CONFIG)
    job = {"id": "eval-1", "namespace": "default", "target": stored, "config": config}
    store.jobs.add(job)
    (listed,) = store.targets.page(query()).entries
    (listed_job,) = store.jobs.page(query()).entries
    more = {"row_count": count} if count > 20 else {}
    assert listed == {**stored, "rows": rows[:20], **more}
    assert listed_job["target"] == listed
    assert store.jobs.get("eval-1")["target"] == stored


@pytest.mark.parametrize(
    "place",
    [
        ["\0", "id"],
        ["\ud800", "id"],
        ["name"],
        ["name", "id", "more"],
        [1, "id"],
        ["name", 1],
        ["name", None],
        ["name", True],
        ["name", 2**70],
        ["name", ["id"]],
    ],
)
def test_tokens_that_nobody_was_given(store: Store, place: list[Any]) -> None:
    parts = [query(sort="name").digest, 2, *place]
    token = urlsafe_b64encode(json.dumps(parts).encode()).decode()
    with pytest.raises(InvalidArgument, match="page_token"):
        store.targets.page(query(sort="name", page_token=token))


def test_as_much_as_may_be_looked_for_can_be(found: Any) -> None:
    texts = [chr(ord("à") + n % 20) * (1000 - n) for n in range(64)]
    pairs = [f"{text[:500]}={text[:499]}" for text in texts]
    assert found(search={"rows": texts, "name": texts, "custom_fields": pairs}) == 0
    assert found(filter={"custom_fields": pairs}) == 0
    for search, path in (
        ({"rows": [*texts, "x"]}, "search.rows"),
        ({"rows": ["x" * 1001]}, "search.rows"),
        ({"created_at": {"start": "2" * 1001}}, "search.created_at.start"),
    ):
        with pytest.raises(InvalidArgument, match=path):
            found(search=search)
