"""What a REST query becomes on its way to the server."""

import pytest
from google.protobuf.json_format import MessageToDict

from evaluation.v1 import job_service_pb2

BAD = [
    ("page=abc", ["page"], "int_parsing"),
    ("page=1.5", ["page"], "int_parsing"),
    ("page=2147483648", ["page"], "int_parsing"),
    ("page=", ["page"], "int_parsing"),
    ("page=1&page=2", ["page"], "duplicate_key"),
    ("filter[status]=done", ["filter", "status"], "enum"),
    ("filter[status]=", ["filter", "status"], "enum"),
    ("filter[nam]=x", ["filter", "nam"], "extra_forbidden"),
    ("filter[inline_target][name]=x", ["filter", "inline_target"], "extra_forbidden"),
    ("filter=x", ["filter"], "extra_forbidden"),
    ("filter[project][x]=y", ["filter", "project", "x"], "extra_forbidden"),
    ("pgae=1", ["pgae"], "extra_forbidden"),
    ("page" + "[a]" * 6000 + "=1", ["page"], "extra_forbidden"),
    ("filter[custom_fields]" + "[a]" * 6000 + "=1", ["filter"], "extra_forbidden"),
    ("&" * 1000 + "%" * 1000 + "=1", ["%" * 256], "extra_forbidden"),
    ("search[status]=%FF", [], "string_unicode"),
]


def listed(gateway, query):
    answer = gateway.get(f"/jobs?{query}")
    assert answer.status_code == 200, answer.text
    return gateway.stub.requests.pop()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        (
            "page=2&page_size=50&sort=-created_at",
            {"page": 2, "pageSize": 50, "sort": "-created_at"},
        ),
        ("filter[namespace]=n", {"filter": {"namespace": "n"}}),
        ("filter%5Bnamespace%5D=n", {"filter": {"namespace": "n"}}),
        ("filter.namespace=n", {"filter": {"namespace": "n"}}),
        ("filter[namespace]=a%26b%3D+c%2B%23", {"filter": {"namespace": "a&b= c+#"}}),
        ("filter[namespace]=%C3%A9,x", {"filter": {"namespace": "é,x"}}),
        ("filter[status]=running", {"filter": {"status": "JOB_STATUS_RUNNING"}}),
        ("filter[target]=a/b", {"filter": {"target": "a/b"}}),
        ("filter[target]=a%2Fb", {"filter": {"target": "a/b"}}),
        ("filter[target][name]=x", {"filter": {"inlineTarget": {"name": "x"}}}),
        (
            "filter[target][type]=cached_outputs",
            {"filter": {"inlineTarget": {"type": "TARGET_TYPE_CACHED_OUTPUTS"}}},
        ),
        (
            "filter[config][created_at][lte]=2025",
            {"filter": {"inlineConfig": {"inlineCreatedAt": {"lte": "2025"}}}},
        ),
        ("filter[created_at]=2025-03-18", {"filter": {"createdAt": "2025-03-18"}}),
        (
            "filter[created_at][gte]=2025-03-18&filter[created_at][lt]=2025-03-20T00:00:00",
            {"filter": {"inlineCreatedAt": {"gte": "2025-03-18", "lt": "2025-03-20T00:00:00"}}},
        ),
        ("filter[custom_fields][k]=v", {"filter": {"customFields": ["k=v"]}}),
        ("filter[custom_fields][k]=a,b=c", {"filter": {"customFields": ["k=a,b=c"]}}),
        ("filter[custom_fields][a][b]=c", {"filter": {"customFields": ["a.b=c"]}}),
        ("search[status]=running,created", {"search": {"status": ["running", "created"]}}),
        ("search[status]=running&search[status]=x", {"search": {"status": ["running", "x"]}}),
        ("search[status][]=running&search[status][]=x", {"search": {"status": ["running", "x"]}}),
        ("search[status]=,", {}),
        (
            "search[created_at][start]=2025-01-01T00:00:00&search[created_at][end]=2026",
            {"search": {"createdAt": {"start": "2025-01-01T00:00:00", "end": "2026"}}},
        ),
    ],
)
def test_brackets_become_fields(gateway, query, expected):
    assert MessageToDict(listed(gateway, query)) == expected


@pytest.mark.parametrize(("query", "loc", "kind"), BAD)
def test_a_query_that_means_nothing_is_refused(gateway, query, loc, kind):
    answer = gateway.get(f"/jobs?{query}")
    assert answer.status_code == 422
    (reason,) = answer.json()["detail"]
    assert (reason["loc"], reason["type"]) == (["query", *loc], kind)
    assert gateway.stub.requests == []


def test_an_unknown_parameter_is_named_with_the_nearest(gateway):
    (reason,) = gateway.get("/jobs?pgae=1").json()["detail"]
    assert reason["msg"] == "Unknown query parameter 'pgae'; did you mean 'page'?"


def test_a_create_takes_its_options_in_the_query(gateway):
    answer = gateway.post("/jobs?request_id=r1&validate_only=true", {"namespace": "n"})
    assert answer.status_code == 201
    request = gateway.stub.requests.pop()
    assert (request.request_id, request.validate_only, request.job.namespace) == ("r1", True, "n")


def test_what_the_path_or_body_holds_is_no_parameter(gateway):
    assert gateway.get("/jobs/eval-1?job_id=x").status_code == 422
    assert gateway.post("/jobs?job=x", {}).status_code == 422
    assert gateway.post("/jobs:compare?baseline_job_id=x", {}).status_code == 422
    assert gateway.stub.requests == []


def test_path_variables_are_decoded(gateway):
    assert gateway.get("/targets/n%C3%A9/a%20b").status_code == 200
    request = gateway.stub.requests.pop()
    assert (request.namespace, request.name) == ("né", "a b")
    assert gateway.get("/targets/n/%FF").status_code == 400


def test_an_update_mask_names_fields(gateway):
    answer = gateway.send(
        "PATCH", "/targets/n/t?update_mask=description,model", {"description": ""}
    )
    assert answer.status_code == 200, answer.text
    assert gateway.stub.requests.pop().update_mask.paths == ["description", "model"]


def test_the_echo_has_the_form_of_the_question(gateway):
    def echo(request):
        return job_service_pb2.ListJobsResponse(
            object="list", sort=request.sort, filter=request.filter, search=request.search
        )

    gateway.stub.answers["ListJobs"] = echo
    answer = gateway.get(
        "/jobs?sort=created_at&filter[status]=running&filter[target][type]=rows"
        "&filter[created_at][gte]=2025&filter[custom_fields][k]=v=w&search[status]=a,b"
    ).json()
    assert answer["filter"] == {
        "status": "running",
        "target": {"type": "rows"},
        "created_at": {"gte": "2025"},
        "custom_fields": {"k": "v=w"},
    }
    assert (answer["sort"], answer["search"]) == ("created_at", {"status": ["a", "b"]})
