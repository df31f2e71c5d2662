"""Lists on both databases: every filter and search field, order, places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from evald.domain import ids
from evald.domain.attempts import Standing
from evald.domain.documents import Maker
from evald.domain.listing import ListQuery, Page
from evald.domain.states import JobStatus
from evald.errors import InvalidArgument
from evald.store import pages, plans
from evald.store.store import Store

DAYS = {"old": 17, "early": 18, "late": 18, "new": 19}
HOURS = {"early": 0, "late": 23}
"""When the entities of these tests were made, in March 2025: `early` at midnight."""


def maker(name: str) -> Maker:
    moment = datetime(2025, 3, DAYS[name], HOURS.get(name, 12), tzinfo=UTC)
    return Maker(clock=lambda: moment)


def query(request: Mapping[str, Any]) -> ListQuery:
    return ListQuery.parse(request, ("created_at", "updated_at", "name"))


@pytest.fixture(scope="module")
def targets(shared_store: Store) -> Callable[..., list[str]]:
    """Names of the targets that a list request finds."""
    endpoint = {"url": "http://h/v1", "model_id": "meta/llama"}
    members: dict[str, dict[str, Any]] = {
        "old": {
            "type": "rows",
            "rows": [{"question": "Où est 100 % _là_?"}],
            "description": "Größe\\Zoll 50%",
            "project": "urn:p",
            "custom_fields": {"team": "Blue", "size": 3},
            "ownership": {"created_by": "Ann"},
        },
        "early": {"type": "model", "model": "meta/llama", "namespace": "ns"},
        "late": {"type": "model", "model": {"name": "tuned", "api_endpoint": endpoint}},
        "new": {
            "type": "dataset",
            "dataset": {"files_url": "hf://datasets/a/b"},
            "custom_fields": {"team": "blueish"},
        },
    }
    for name in reversed(members):
        shared_store.targets.add(maker(name).entity({"name": name, **members[name]}, ids.TARGET))

    def found(**request: Any) -> list[str]:
        return [entry["name"] for entry in shared_store.targets.page(query(request)).entries]

    return found


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ({"namespace": "ns"}, ["early"]),
        ({"name": "late"}, ["late"]),
        ({"project": "urn:p"}, ["old"]),
        ({"type": "model"}, ["early", "late"]),
        ({"model": "meta/llama"}, ["early", "late"]),
        ({"model": "tuned"}, ["late"]),
        ({"custom_fields": ["team=Blue"]}, ["old"]),
        ({"custom_fields": ["team=Blue", "size=3"]}, ["old"]),
        ({"custom_fields": ["team=Blue", "size=4"]}, []),
        ({"type": "model", "namespace": "default"}, ["late"]),
        ({"created_at": "2025-03-18"}, ["early", "late"]),
        ({"created_at": "2025-03-18T23:00:00"}, ["late"]),
        ({"created_at": "2025-03-19T00:00:00+01:00"}, ["late"]),
        ({"created_at": {"eq": "2025-03-18"}}, ["early", "late"]),
        ({"created_at": {"neq": "2025-03-18"}}, ["old", "new"]),
        ({"created_at": {"gt": "2025-03-18"}}, ["late", "new"]),
        ({"created_at": {"gte": "2025-03-18"}}, ["early", "late", "new"]),
        ({"created_at": {"lt": "2025-03-18"}}, ["old"]),
        ({"created_at": {"lte": "2025-03-18"}}, ["old", "early", "late"]),
        ({"created_at": {"lte": "2025-03-18T00:00:00Z"}}, ["old", "early"]),
        ({"created_at": {"gt": "2025-03-18", "lt": "2025-03-19"}}, ["late"]),
    ],
)
def test_filters_of_targets(
    targets: Callable[..., list[str]], filter: dict[str, Any], names: list[str]
) -> None:
    assert targets(filter=filter) == names


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ({"id": ["eval-target-"]}, ["old", "early", "late", "new"]),
        ({"name": ["L"]}, ["old", "early", "late"]),
        ({"name": ["old", "ne"]}, ["old", "new"]),
        ({"namespace": ["N"]}, ["early"]),
        ({"type": ["ode"]}, ["early", "late"]),
        ({"model": ["llama"]}, ["early", "late"]),
        ({"dataset": ["hf://datasets"]}, ["new"]),
        ({"description": ["Größe"]}, ["old"]),
        ({"description": ["zoll"]}, ["old"]),
        ({"description": ["\\Z"]}, ["old"]),
        ({"description": ["50%"]}, ["old"]),
        ({"description": ["5%%"]}, []),
        ({"description": ["Gr__e"]}, []),
        ({"project": ["URN"]}, ["old"]),
        ({"rows": ["question"]}, ["old"]),
        ({"rows": ["Où est 100 %"]}, ["old"]),
        ({"rows": ["_là_"]}, ["old"]),
        ({"rows": ["xlàx"]}, []),
        ({"rag": ["a"]}, []),
        ({"retriever": ["a"]}, []),
        ({"cached_outputs": ["a"]}, []),
        ({"custom_fields": ["team=blue"]}, ["old", "new"]),
        ({"custom_fields": ["team=ish"]}, ["new"]),
        ({"ownership": ["ann"]}, ["old"]),
        ({"ownership_members": ["created_by=ANN"]}, ["old"]),
        ({"ownership_members": ["created_by=bob", "created_by=ann"]}, ["old"]),
        ({"ownership_members": ["created_by=ann", "updated_by=ann"]}, []),
        ({"retriever_members": ["pipeline.top_k=3"]}, []),
        ({"cached_outputs_members": ["files_url=a"]}, []),
        ({"rag_members": ["=a"], "cached_outputs_members": ["a"]}, []),
        ({"type": ["model"], "namespace": ["default"]}, ["late"]),
        ({"created_at": {"start": "2025-03-18"}}, ["early", "late", "new"]),
        ({"created_at": {"end": "2025-03-18"}}, ["old", "early", "late"]),
        ({"created_at": {"start": "2025-03-18", "end": "2025-03-18"}}, ["early", "late"]),
        ({"updated_at": {"start": "2025-03-18T23:00", "end": "2025-03-18T23:00"}}, ["late"]),
    ],
)
def test_searches_of_targets(
    targets: Callable[..., list[str]], search: dict[str, Any], names: list[str]
) -> None:
    assert targets(search=search) == names


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("created_at", ["old", "early", "late", "new"]),
        ("-updated_at", ["new", "late", "early", "old"]),
        ("name", ["early", "late", "new", "old"]),
        ("-name", ["old", "new", "late", "early"]),
    ],
)
def test_orders(targets: Callable[..., list[str]], sort: str, names: list[str]) -> None:
    assert targets(sort=sort) == names


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"filter": {"created_at": "soon"}}, "filter.created_at"),
        ({"filter": {"created_at": {"gt": "2025-13-01"}}}, "filter.created_at.gt"),
        ({"filter": {"created_at": "0001-01-01T00:00+23:59"}}, "filter.created_at"),
        ({"search": {"updated_at": {"start": ""}}}, "search.updated_at.start"),
        ({"search": {"rag_members": ["a." * 16 + "b=c"]}}, "search.rag"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": "WzFd"}, "page_token"),
        ({"page_token": "x" * 5000}, "page_token"),
    ],
)
def test_what_cannot_be_asked_for(store: Store, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        store.targets.page(query(request_))
    assert [v.field for v in e.value.violations] == [field]


@pytest.mark.parametrize(
    ("entries", "count"),
    [
        (["pipeline.retriever.pipeline.top_k=3"], 1),
        (["pipeline.retriever=top_k"], 1),
        ([r'pipeline.model.custom_fields.v1\.0="a="'], 1),
        ([r"pipeline.model.custom_fields.b\\c\=d=true"], 1),
        (["pipeline.model.custom_fields.=empty"], 1),
        (["pipeline.model.name=other", "pipeline.model.name=Größ"], 1),
        (["pipeline.model.name=Größ", "pipeline.retriever=none"], 0),
        (["pipeline.model.name.first=Größ"], 0),
        (["dataset.files_url=x"], 0),
        (["rag=top_k"], 0),
    ],
)
def test_searches_inside_a_field(store: Store, entries: list[str], count: int) -> None:
    fields = {"v1.0": ["a="], "b\\c=d": True, "": "empty"}
    rag = {
        "retriever": {"pipeline": {"top_k": 3}},
        "model": {"name": "größe", "custom_fields": fields},
    }
    document = {"type": "rag", "rag": {"pipeline": rag}}
    store.targets.add(maker("new").entity(document, ids.TARGET))
    assert store.targets.page(query({"search": {"rag_members": entries}})).total == count


def test_filters_and_searches_of_configs(store: Store) -> None:
    tasks = {"qa": {"type": "data", "metrics": {"match": {"type": "string-check"}}}}
    config = {
        "type": "custom",
        "name": "c",
        "project": "urn:p",
        "description": "mine",
        "tasks": tasks,
        "groups": {"all": {"tasks": ["qa"]}},
        "params": {"limit_samples": 77},
        "ownership": {"created_by": "Ann"},
        "custom_fields": {"k": "v"},
    }
    store.configs.add(maker("early").entity(config, ids.CONFIG))
    store.configs.add(maker("new").entity({"type": "similarity_metrics"}, ids.CONFIG))
    for request in (
        *({"filter": {k: config[k]}} for k in ("name", "project", "type")),
        {"filter": {"namespace": "default", "created_at": "2025-03-18"}},
        {"filter": {"custom_fields": ["k=v"]}},
        {"search": {"name": ["C"], "type": ["cust"]}},
        {"search": {"tasks": ["STRING-check"]}},
        {"search": {"groups": ["all"]}},
        {"search": {"params": ["77"]}},
        {"search": {"description": ["in"], "project": ["urn"], "ownership": ["Ann"]}},
        {"search": {"custom_fields": ["k=V"]}},
        {"search": {"tasks_members": ["qa.metrics.match.type=string"]}},
        {"search": {"groups_members": ["all.tasks=qa"], "params_members": ["limit_samples=7"]}},
        {"search": {"ownership_members": ["created_by=ann"]}},
        {"search": {"created_at": {"end": "2025-03-18"}, "updated_at": {"start": "2025-03-18"}}},
    ):
        assert [e["name"] for e in store.configs.page(query(request)).entries] == ["c"], request
    assert store.configs.page(query({"search": {"namespace": ["default"]}})).total == 2


def test_searches_inside_what_is_not_there_find_nothing(jobs: Store) -> None:
    for search in (
        {"status_details_members": ["message.deeper=success"]},
        {"status_details_members": ["id=eval"]},
        {"ownership_members": ["created_by.name=ann"]},
        {"target_members": ["model.name=m"]},
        {"target_members": [r"na\.me=early"]},
    ):
        assert not jobs.jobs.page(query({"search": search})).entries, search


def add_job(store: Store, name: str, **members: Any) -> str:
    target = {"type": "model", "model": f"m/{name}", "name": name, "custom_fields": {"of": name}}
    config = {"type": "custom", "name": f"{name}-config", "tasks": {}}
    job = {
        "id": f"eval-{name}",
        "namespace": "default",
        "target": maker(name).entity(target, ids.TARGET),
        "config": maker(name).entity(config, ids.CONFIG),
        "created_at": datetime(2025, 3, DAYS[name], tzinfo=UTC),
        **members,
    }
    store.jobs.add(job)
    return str(job["id"])


@pytest.fixture(scope="module")
def jobs(shared_store: Store) -> Store:
    """A store with two jobs: `early`, which has completed, and `old`."""
    store = shared_store
    past = datetime(2025, 3, 19, tzinfo=UTC)
    mine = add_job(
        store,
        "early",
        namespace="ns",
        project="urn:p",
        description="the first",
        custom_fields={"run": 1},
        ownership={"created_by": "Ann"},
    )
    add_job(store, "old", updated_at=past)
    claim = store.queue.claim(mine, "w", devices=[], lease_seconds=30, files_url="hf://x")
    assert claim is not None
    store.samples.record(claim.fence, [], Standing(task_status={"qa": "completed"}))
    store.queue.finish(claim.fence, JobStatus.COMPLETED, result={"tasks": {}})
    return store


@pytest.mark.parametrize(
    "request_",
    [
        {"filter": {"namespace": "ns"}},
        {"filter": {"project": "urn:p"}},
        {"filter": {"status": "completed"}},
        {"filter": {"created_at": "2025-03-18"}},
        {"filter": {"custom_fields": ["run=1"]}},
        {"filter": {"target": "default/early"}},
        {"filter": {"target": {"name": "early"}}},
        {"filter": {"target": {"model": "m/early", "type": "model", "namespace": "default"}}},
        {"filter": {"target": {"created_at": "2025-03-18"}}},
        {"filter": {"target": {"created_at": {"gt": "2025-03-17T13:00", "lt": "2025-03-19"}}}},
        {"filter": {"target": {"custom_fields": ["of=early"]}}},
        {"filter": {"config": "default/early-config"}},
        {"filter": {"config": {"name": "early-config", "type": "custom"}}},
        {"filter": {"config": {"created_at": {"lte": "2025-03-18", "gte": "2025-03-18"}}}},
        {"search": {"id": ["EARLY"]}},
        {"search": {"target": ["default/early"]}},
        {"search": {"target": ["m/early"]}},
        {"search": {"config": ["early-conf"]}},
        {"search": {"status": ["running", "complet"]}},
        {"search": {"description": ["first"]}},
        {"search": {"namespace": ["s"]}},
        {"search": {"project": ["p"]}},
        {"search": {"output_files_url": ["hf://x"]}},
        {"search": {"result": ["evaluation_result-"]}},
        {"search": {"custom_fields": ["run=1"]}},
        {"search": {"ownership": ["ann"]}},
        {"search": {"ownership_members": ["created_by=ann"]}},
        {"search": {"target_members": ["name=old", "name=EARL", "custom_fields.of=early"]}},
        {"search": {"config_members": ["name=early"], "target_members": ["model=m/early"]}},
        {"search": {"status_details_members": ["message=success", "progress=100"]}},
        {"search": {"status_details_members": ["task_status.qa=compl"]}},
        {"search": {"status_details": ["successfully"]}},
        {"search": {"status_details": ["qa"]}},
        {"search": {"created_at": {"start": "2025-03-18", "end": "2025-03-18"}}},
        {"search": {"created_at": {"start": "2025-03-18"}, "updated_at": {"start": "2026-01-01"}}},
    ],
)
def test_filters_and_searches_of_jobs(jobs: Store, request_: dict[str, Any]) -> None:
    assert [e["id"] for e in jobs.jobs.page(query(request_)).entries] == ["eval-early"]


def test_filters_and_searches_of_results(store: Store) -> None:
    for name in ("old", "new"):
        add_job(store, name)
    mine = {
        "id": "evaluation_result-mine",
        "job": "eval-old",
        "namespace": "ns",
        "project": "urn:p",
        "description": "d",
        "files_url": "hf://files",
        "tasks": {"qa": {"metrics": {"m": {"scores": {"rouge_1_score": {"value": 0.5}}}}}},
        "groups": {"all": {"metrics": {}}},
        "custom_fields": {"k": "v"},
        "ownership": {"created_by": "Ann"},
    }
    store.results.add(mine)
    store.results.add({"id": "evaluation_result-other", "job": "eval-new", "namespace": "default"})
    for request in (
        {"filter": {"job_id": "eval-old"}},
        {"search": {"id": ["mine"], "job": ["-old"], "tasks": ["rouge_1"], "groups": ["ALL"]}},
        {"search": {"files_url": ["files"], "description": ["D"], "namespace": ["ns"]}},
        {"search": {"project": ["urn"], "custom_fields": ["k=v"], "ownership": ["ann"]}},
        {"search": {"tasks_members": ["qa.metrics.m.scores.rouge_1_score.value=0.5"]}},
        {"search": {"groups_members": ["all=metrics"], "ownership_members": ["created_by=A"]}},
    ):
        found = store.results.page(query(request)).entries
        assert [e["id"] for e in found] == [mine["id"]], request
    spans = {"created_at": {"start": "2025-01-01"}, "updated_at": {"start": "2025-01-01"}}
    assert store.results.page(query({"search": spans})).total == 2


def walk(page: Callable[[ListQuery], Page], request: Mapping[str, Any]) -> Iterator[Page]:
    """The pages of a list, by token."""
    token = None
    while True:
        asked = query(request if token is None else {**request, "page_token": token})
        found = page(asked)
        yield found
        if found.last is None:
            return
        token = asked.token(found.last)


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name", "-updated_at"])
def test_tokens_walk_a_list_that_changes(store: Store, sort: str) -> None:
    """Entities made at one moment, and others that come and go meanwhile."""
    made = [
        store.targets.add(maker("early").entity({"type": "rows", "name": f"n{n}"}, ids.TARGET))
        for n in range(7)
    ]
    descending = sort.startswith("-")
    key = (lambda e: e["name"]) if "name" in sort else (lambda e: e["id"])
    expected = [e["id"] for e in sorted(made, key=key, reverse=descending)]
    seen: list[str] = []
    numbers = []
    for number, page in enumerate(walk(store.targets.page, {"sort": sort, "page_size": 3}), 1):
        seen += [e["id"] for e in page.entries]
        numbers.append((len(page.entries), page.total))
        if number == 1:
            first = maker("new" if descending else "old")
            name = "zz" if descending else "aa"
            store.targets.add(first.entity({"type": "rows", "name": name}, ids.TARGET))
    assert seen == expected
    assert numbers == [(3, 7), (3, 8), (1, 8)]


def test_a_token_belongs_to_its_list(store: Store) -> None:
    for number in range(3):
        store.targets.add(maker("old").entity({"type": "rows", "name": f"n{number}"}, ids.TARGET))
    asked = query({"page_size": 2, "filter": {"type": "rows"}})
    last = store.targets.page(asked).last
    assert last is not None
    token = asked.token(last)
    rest = query({"page_size": 9, "filter": {"type": "rows"}, "page_token": token})
    assert (rest.page, len(store.targets.page(rest).entries)) == (2, 1)
    for other in ({"filter": {"type": "model"}}, {"sort": "name"}, {"page": 2}):
        with pytest.raises(InvalidArgument, match="page_token"):
            query({"filter": {"type": "rows"}, **other, "page_token": token})


def test_a_page_past_the_end_is_empty(targets: Callable[..., list[str]]) -> None:
    assert targets(page=3, page_size=2) == []
    assert targets(page=2, page_size=3) == ["new"]


def test_a_count_beyond_the_bound_is_remembered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COUNT_BOUND", 2)

    def add() -> int:
        store.targets.add(Maker().entity({"type": "rows"}, ids.TARGET))
        return store.targets.page(ListQuery(page_size=1)).total

    assert [add() for _ in range(5)] == [1, 2, 3, 3, 3]
    assert store.targets.page(ListQuery(page_size=1, filter={"type": "rows"})).total == 5
    monkeypatch.setattr(pages, "COUNT_SECONDS", 0)
    assert store.targets.page(ListQuery(page_size=1)).total == 5
