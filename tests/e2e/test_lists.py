"""Lists over REST: the documented ways to ask, and the echo."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.test_rest import Rest
from tests.service import Service


@pytest.fixture(scope="module")
def namespace(service: Service) -> str:
    """Where the three targets of these tests are: a and b, and long with 21 rows."""
    rest, namespace = Rest(service), f"lists-{uuid4().hex}"
    for name, rows, team in (("a", 1, "red, blue"), ("b", 1, "green"), ("long", 21, "red")):
        body = {
            "namespace": namespace,
            "name": name,
            "type": "rows",
            "rows": [{"i": i} for i in range(rows)],
            "custom_fields": {"team": team},
            "description": f"target {name}, 100 %",
            "ownership": {"created_by": f"{name}nn", "access_policies": {"v1.0": team}},
        }
        rest("POST", "/targets", 201, json=body)
    return namespace


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


def names(page: dict[str, Any]) -> list[str]:
    return [target["name"] for target in page["data"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("filter%5Bname%5D=a", ["a"]),
        ("filter[name]=a&filter[type]=rows", ["a"]),
        ("filter[name]=a&filter[type]=model", []),
        ("search[name]=a,b", ["a", "b"]),
        ("search[name]=a&search[name]=lo", ["a", "long"]),
        ("search%5Bname%5D=b%2Clon", ["b", "long"]),
        ("search[name]=a&search[description]=target+b", []),
        ("search[description]=100+%25", ["a", "b", "long"]),
        ("filter[custom_fields][team]=red", ["long"]),
        ("filter[custom_fields][team]=red,+blue", ["a"]),
        ("search[custom_fields][team]=RED", ["a", "long"]),
        ("search[ownership][created_by]=ANN", ["a"]),
        ("search[ownership][created_by]=ann,bnn", ["a", "b"]),
        ("search[ownership][created_by]=ann&search[ownership][created_by]=long", ["a", "long"]),
        ("search[ownership][created_by]=nn&search[ownership][access_policies][v1.0]=gr", ["b"]),
        ("search%5Bownership%5D%5Baccess_policies%5D%5Bv1.0%5D=red", ["a", "long"]),
        ("search[ownership][created_by][name]=ann", []),
        ("filter[created_at][gte]=2025-03-18&filter[created_at][lt]=2025-03-20", []),
        ("filter[created_at][gt]=2025-03-18T00:00:00", ["a", "b", "long"]),
        ("filter[created_at]=2025-03-18", []),
        ("search[created_at][start]=2025-01-01T00:00:00", ["a", "b", "long"]),
        ("search[updated_at][start]=2025-01-01&search[updated_at][end]=2025-03-01", []),
        ("sort=-created_at", ["long", "b", "a"]),
        ("sort=-name&page_size=2&page=2", ["a"]),
        ("page=7", []),
    ],
)
def test_ways_to_ask(rest: Rest, namespace: str, query: str, found: list[str]) -> None:
    assert names(rest("GET", f"/targets?filter[namespace]={namespace}&{query}")) == found


def test_the_page_says_what_was_asked_for(rest: Rest, namespace: str) -> None:
    query = (
        f"filter[namespace]={namespace}&filter[created_at][gt]=2025-03-31T00:00:00"
        "&search[name]=a,lon&search[updated_at][start]=2025-01-01&sort=-name&page_size=1"
    )
    page = rest("GET", f"/targets?{query}")
    assert {k: v for k, v in page.items() if k != "data"} == {
        "object": "list",
        "pagination": {
            "page": 1,
            "page_size": 1,
            "current_page_size": 1,
            "total_pages": 2,
            "total_results": 2,
        },
        "sort": "-name",
        "filter": {"namespace": namespace, "created_at": {"gt": "2025-03-31T00:00:00"}},
        "search": {"name": ["a", "lon"], "updated_at": {"start": "2025-01-01"}},
    }


def test_a_list_shows_the_first_rows(rest: Rest, namespace: str) -> None:
    whole = rest("GET", f"/targets/{namespace}/long")
    assert len(whole["rows"]) == 21
    assert "row_count" not in whole
    listed = rest("GET", f"/targets?filter[namespace]={namespace}&filter[name]=long")["data"][0]
    assert listed == {**whole, "rows": whole["rows"][:20], "row_count": 21}
    config = {"type": "custom", "tasks": {"qa": {"type": "data", "metrics": {}}}}
    config["tasks"]["qa"]["metrics"] = {
        "m": {"type": "em", "params": {"candidate": "a", "reference": "a"}}
    }  # type: ignore[index]
    body = {"namespace": namespace, "target": f"{namespace}/long", "config": config}
    job = rest("POST", "/jobs", 201, json=body)
    assert len(job["target"]["rows"]) == 21
    listed = rest("GET", f"/jobs?filter[target]={namespace}/long")["data"][0]
    assert (listed["id"], len(listed["target"]["rows"])) == (job["id"], 20)
    assert listed["target"]["row_count"] == 21
    assert rest("GET", f"/jobs?filter[target][name]=long&filter[namespace]={namespace}")["data"]
    assert rest("GET", f"/results?filter[job_id]={rest.finish(job['id'])['id']}")["data"]


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ("filter[colour]=red", ["query", "filter", "colour"]),
        ("search[names]=a", ["query", "search", "names"]),
        ("filter[created_at]=soon", ["query", "filter", "created_at"]),
        ("filter[created_at][gt]=soon", ["query", "filter", "created_at", "gt"]),
        ("filter[created_at][after]=2025-01-01", ["query", "filter", "created_at", "after"]),
        ("filter[type]=rowses", ["query", "filter", "type"]),
        ("search[created_at][start]=soon", ["query", "search", "created_at", "start"]),
        ("search[rag][a]=" + "x" * 1001, ["query", "search", "rag"]),
        ("search[rag]" + "[a]" * 17 + "=x", ["query", "search"]),
        ("page=0", ["query", "page"]),
        ("page=one", ["query", "page"]),
        ("page_size=0", ["query", "page_size"]),
        ("page_size=1001", ["query", "page_size"]),
        ("sort=size", ["query", "sort"]),
        ("page_token=x", ["query", "page_token"]),
    ],
)
def test_what_cannot_be_asked_for(rest: Rest, query: str, loc: list[str]) -> None:
    (problem,) = rest("GET", f"/targets?{query}", 422)["detail"]
    assert problem["loc"] == loc


def test_a_job_list_has_no_names(rest: Rest) -> None:
    (problem,) = rest("GET", "/jobs?sort=name", 422)["detail"]
    assert problem["loc"] == ["query", "sort"]
    assert len(rest("GET", "/jobs?page_size=1000")["data"]) <= 1000
