"""Lists as REST API v1 gives them: every filter, search and order of each, and the envelope."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.test_bad_input import GOOD, ROWS, check_config
from tests.e2e.test_rest import Rest, fresh
from tests.reference.rows import FILTERS, SEARCHES

FIRST = {
    "description": "First of two",
    "project": "urn:p1",
    "custom_fields": {"team": "blue"},
    "ownership": {"created_by": "ann"},
}
SECOND = {
    "description": "Second of two",
    "project": "urn:p2",
    "custom_fields": {"team": "red"},
    "ownership": {"created_by": "bob"},
}
SIMILARITY = {
    "type": "similarity_metrics",
    "tasks": {
        "similar": {
            "type": "default",
            "dataset": {"files_url": "hf://datasets/a/b"},
            "metrics": {"bleu": {"type": "bleu"}},
        }
    },
}
MEMBERS: dict[str, Any] = {
    "model": "meta/llama",
    "dataset": "words/data",
    "cached_outputs": {"files_url": "hf://datasets/words/cached"},
    "retriever": {"dataset": "words/retrieved"},
    "rag": {"dataset": "words/asked"},
}

WANTED: dict[str, Any] = {
    "id": "{id}",
    "namespace": "{namespace}",
    "project": "urn:p1",
    "name": "first",
    "status": "completed",
    "created_at": "{created_at}",
    "target": "{namespace}/first",
    "config": "{namespace}/first",
    "job_id": "{job}",
    "job": "{job}",
    "type": "{type}",
    "model": "meta/llama",
    "custom_fields": {"team": "blue"},
}
"""What the first entity of a kind is filtered by. `{id}` and so on are its own members."""

PARTS_OF = {
    **WANTED,
    "project": "n:p1",
    "name": "irs",
    "status": "complet",
    "target": "{namespace}/fir",
    "config": "{namespace}/fir",
    "description": "First",
    "output_files_url": "{id}",
    "result": "{result}",
    "ownership": "ann",
    "status_details": "successf",
    "rows": '"a"',
    "dataset": "words/dat",
    "cached_outputs": "words/cach",
    "retriever": "words/retr",
    "rag": "words/ask",
    "tasks": "string-check",
    "groups": "all",
    "params": "77",
    "files_url": "{job}",
    "custom_fields": {"team": "blu"},
    "created_at": {"start": "{created_at}", "end": "{created_at}"},
    "updated_at": {"start": "{updated_at}", "end": "{updated_at}"},
}
"""What the first entity of a kind is searched for by, and a target by the member of its type."""


class Kept:
    """Entities of each kind by a name: `first` and `second` in that order, and targets of the other
    types between them, called after these."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        n1, n2 = fresh(), fresh()
        first = {"namespace": n1, "name": "first", **FIRST}
        second = {"namespace": n2, "name": "second", **SECOND}
        model = {"type": "model", "model": "meta/other"}
        extended = {**GOOD, "params": {"limit_samples": 77}, "groups": {"all": {"tasks": ["qa"]}}}
        failing = check_config(["{{no_such_field}}", "equals", "x"])

        def make(kind: str, body: dict[str, Any]) -> dict[str, Any]:
            made: dict[str, Any] = rest("POST", f"/{kind}", 201, json=body)
            return made

        self.targets = {
            "first": make("targets", {**first, **ROWS}),
            **{k: make("targets", {"type": k, k: v}) for k, v in MEMBERS.items()},
            "second": make("targets", {**second, **model}),
        }
        self.configs = {
            "first": make("configs", {**first, **extended}),
            "second": make("configs", {**second, **SIMILARITY}),
        }
        inline = {"name": "inline", "namespace": n2}
        bodies = {
            "first": {**FIRST, "namespace": n1, "target": f"{n1}/first", "config": f"{n1}/first"},
            "second": {
                **SECOND,
                "namespace": n2,
                "target": {**ROWS, **inline},
                "config": {**failing, **inline},
            },
        }
        self.jobs = {name: rest.finish(make("jobs", body)["id"]) for name, body in bodies.items()}
        # The first one is changed last.
        self.results = {
            name: rest("PATCH", f"/results/{self.jobs[name]['result']}", json=given)
            for name, given in (
                ("second", {**SECOND, "files_url": "s3://b/c"}),
                ("first", {**FIRST, "groups": {"all": {"metrics": {}}}}),
            )
        }
        self.configs["first"] = rest("PATCH", f"/configs/{n1}/first", json={})

    def entities(self, kind: str) -> dict[str, dict[str, Any]]:
        return getattr(self, kind)  # type: ignore[no-any-return]

    def list(self, kind: str, **params: Any) -> dict[str, Any]:
        """A list; members of the first entity are filled in for `{id}` and so on."""
        first = self.entities(kind)["first"]
        filled = {k: v.format(**first) if isinstance(v, str) else v for k, v in params.items()}
        listed: dict[str, Any] = self.rest("GET", f"/{kind}", params={"page_size": 1000} | filled)
        return listed

    def found(self, kind: str, **params: Any) -> list[str]:
        """The names of those that a list has, in its order."""
        names = {entity["id"]: name for name, entity in self.entities(kind).items()}
        return [names[e["id"]] for e in self.list(kind, **params)["data"] if e["id"] in names]


@pytest.fixture(scope="module")
def kept(rest: Rest) -> Kept:
    return Kept(rest)


def each(fields: dict[str, str]) -> list[tuple[str, str]]:
    return [(kind, field) for kind, names in fields.items() for field in names.split()]


def conditions(what: str, field: str, wanted: str | dict[str, str]) -> dict[str, str]:
    """Query parameters of one condition, or of several on members of a field."""
    if isinstance(wanted, dict):
        return {f"{what}[{field}][{k}]": v for k, v in wanted.items()}
    return {f"{what}[{field}]": wanted}


@pytest.mark.reference("a.2 * filter *")
@pytest.mark.parametrize(("kind", "field"), each(FILTERS))
def test_filter(kept: Kept, kind: str, field: str) -> None:
    condition = conditions("filter", field, WANTED[field])
    assert kept.found(kind, **condition) == ["model" if field == "model" else "first"]


@pytest.mark.reference("a.2 filter parts of jobs")
@pytest.mark.parametrize(
    "condition",
    [
        {"target][name": "first"},
        {"target][namespace": "{namespace}"},
        {"target][project": "urn:p1"},
        {"target][custom_fields][team": "blue"},
        {"target][type": "rows", "target][name": "first"},
        {"config][name": "first"},
        {"config][namespace": "{namespace}"},
        {"config][project": "urn:p1"},
        {"config][custom_fields][team": "blue"},
        {"config][type": "custom", "target][name": "first"},
    ],
)
def test_filter_by_the_parts_of_a_job(kept: Kept, condition: dict[str, str]) -> None:
    assert kept.found("jobs", **{f"filter[{k}]": v for k, v in condition.items()}) == ["first"]
    other = {f"filter[{k}]": "inline" if k.endswith("name") else "rows" for k in condition}
    assert "first" not in kept.found("jobs", **other, **{"filter[status]": "failed"})


@pytest.mark.reference("a.2 filter and")
def test_all_filters_hold(kept: Kept) -> None:
    filters = {"filter[namespace]": "{namespace}", "filter[project]": "urn:p1"}
    assert kept.found("jobs", **filters) == ["first"]
    assert kept.found("jobs", **{**filters, "filter[status]": "failed"}) == []


@pytest.mark.reference("a.2 filter dates", "a.2 wire times")
@pytest.mark.parametrize("kind", ["jobs", "configs"])
@pytest.mark.parametrize("zone", ["", "Z"])
@pytest.mark.parametrize(
    ("comparison", "found"),
    [
        ("[eq]", ["first"]),
        ("[neq]", ["second"]),
        ("[gt]", ["second"]),
        ("[gte]", ["first", "second"]),
        ("[lt]", []),
        ("[lte]", ["first"]),
        ("", ["first"]),
    ],
)
def test_filter_by_time(
    kept: Kept, kind: str, zone: str, comparison: str, found: list[str]
) -> None:
    condition = {f"filter[created_at]{comparison}": "{created_at}" + zone}
    assert kept.found(kind, **condition) == found


@pytest.mark.reference("a.2 filter dates")
def test_filter_by_day(kept: Kept) -> None:
    day = datetime.fromisoformat(kept.jobs["first"]["created_at"]).date()
    before, after = day - timedelta(days=1), day + timedelta(days=2)
    between = {"filter[created_at][gt]": f"{before}", "filter[created_at][lt]": f"{after}"}
    assert kept.found("jobs", **between) == ["first", "second"]
    assert "first" in kept.found("jobs", **{"filter[created_at]": f"{day}"})
    assert kept.found("jobs", **{"filter[created_at]": f"{before}"}) == []


@pytest.mark.reference("a.2 * search *", "a.2 wire times")
@pytest.mark.parametrize(("kind", "field"), each(SEARCHES))
def test_search(kept: Kept, kind: str, field: str) -> None:
    condition = conditions("search", field, PARTS_OF[field])
    assert kept.found(kind, **condition) == [field if field in MEMBERS else "first"]


@pytest.mark.reference("a.2 search or", "a.2 wire comma", "a.2 wire repeated")
@pytest.mark.parametrize("texts", ["rst of,econd of", ["rst of", "econd of"]])
def test_one_of_several_texts_in_every_field(kept: Kept, texts: str | list[str]) -> None:
    for kind in SEARCHES:
        either = {"search[description]": texts, "sort": "created_at"}
        assert kept.found(kind, **either) == ["first", "second"]
        assert kept.found(kind, **either, **{"search[project]": "p2"}) == ["second"]
        echo = kept.list(kind, **either)["search"]
        assert echo == {"description": ["rst of", "econd of"]}


@pytest.mark.reference("a.2 wire brackets")
@pytest.mark.parametrize(("kind", "field"), [("jobs", "config"), ("targets", "rag")])
def test_a_search_looks_six_names_deep(rest: Rest, kind: str, field: str) -> None:
    deep = f"search[{field}]" + "[k]" * 6
    assert rest("GET", f"/{kind}", params={deep: "ä"})["data"] == []
    assert rest("GET", f"/{kind}", params={deep: "ä", "page": 2})["data"] == []
    [problem] = rest("GET", f"/{kind}", 422, params={f"{deep}[k]": "ä"})["detail"]
    assert problem["msg"] == "it looks deeper than 6 names"


@pytest.mark.reference("a.2 wire brackets")
@pytest.mark.parametrize("key", ["filter[namespace]", "filter%5Bnamespace%5D"])
def test_brackets_may_be_encoded(kept: Kept, key: str) -> None:
    namespace = kept.jobs["first"]["namespace"]
    (found,) = kept.rest("GET", f"/jobs?{key}={namespace}")["data"]
    assert found["id"] == kept.jobs["first"]["id"]


@pytest.mark.reference("a.2 * sort *")
@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("field", ["created_at", "updated_at"])
def test_sort(kept: Kept, kind: str, field: str) -> None:
    entities = kept.entities(kind)
    ordered = sorted(entities, key=lambda name: entities[name][field])
    assert kept.found(kind, sort=field) == ordered
    assert kept.found(kind, sort=f"-{field}") == ordered[::-1]


@pytest.mark.reference(
    "a.2 * page", "a.2 * page_size", "a.3 envelope", "a.3 pagination", "a.3 echo"
)
@pytest.mark.parametrize("kind", FILTERS)
def test_envelope(kept: Kept, kind: str) -> None:
    texts = {"search[description]": ["rst of", "econd of"], "search[ownership]": ["ann", "bob"]}
    moments = [entity["created_at"] for entity in kept.entities(kind).values()]
    span = {"search[created_at][start]": min(moments), "search[created_at][end]": max(moments)}
    paging = {"page_size": 1, "sort": "-created_at"}
    pages = [kept.list(kind, **texts, **span, **paging, page=number) for number in (1, 2)]
    assert [page["data"][0]["id"] for page in pages] == [
        kept.entities(kind)[name]["id"] for name in ("second", "first")
    ]
    search = {
        "description": ["rst of", "econd of"],
        "ownership": ["ann", "bob"],
        "created_at": {"start": min(moments), "end": max(moments)},
    }
    assert [{k: v for k, v in page.items() if k != "data"} for page in pages] == [
        {
            "object": "list",
            "pagination": {
                "page": number,
                "page_size": 1,
                "current_page_size": 1,
                "total_pages": 2,
                "total_results": 2,
            },
            "sort": "-created_at",
            "search": search,
        }
        for number in (1, 2)
    ]


@pytest.mark.reference("a.2 * page_size", "a.3 echo", "a.3 past the end", "rule 6")
@pytest.mark.parametrize("kind", FILTERS)
def test_past_the_end_is_an_empty_page(kept: Kept, kind: str) -> None:
    key = "job_id" if kind == "results" else "namespace"
    answer = kept.rest("GET", f"/{kind}?page=1000&filter[{key}]=nobody")
    assert answer == {
        "object": "list",
        "data": [],
        "pagination": {
            "page": 1000,
            "page_size": 10,
            "current_page_size": 0,
            "total_pages": 0,
            "total_results": 0,
        },
        "sort": "created_at",
        "filter": {key: "nobody"},
    }
