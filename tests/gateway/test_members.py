"""Searches inside a field: `search[field][of][member]=text`."""

import pytest

from evaluation.v1 import job_service_pb2


@pytest.mark.parametrize(
    ("query", "entries"),
    [
        ("search[target][name]=x", ["name=x"]),
        ("search[target][model][api_endpoint][url]=h", ["model.api_endpoint.url=h"]),
        ("search%5Btarget%5D%5Bname%5D=a%2Cb", ["name=a", "name=b"]),
        ("search[target][name]=a&search[target][name]=b", ["name=a", "name=b"]),
        ("search[target][a.b][c%3Dd][e\\f]=x=y", ["a\\.b.c\\=d.e\\\\f=x=y"]),
        ("search.target.name=x", ["name=x"]),
        ("search[target][name]=", []),
    ],
)
def test_brackets_become_a_path(gateway, query, entries):
    answer = gateway.get(f"/jobs?{query}")
    assert answer.status_code == 200, answer.text
    search = gateway.stub.requests.pop().search
    assert (list(search.target), list(search.target_members)) == ([], entries)


@pytest.mark.parametrize("kind", ["targets", "configs", "results", "jobs"])
def test_every_list_has_them(gateway, kind):
    answer = gateway.get(f"/{kind}?search[ownership][created_by]=ann")
    assert answer.status_code == 200, answer.text
    assert gateway.stub.requests.pop().search.ownership_members == ["created_by=ann"]


@pytest.mark.parametrize(
    ("query", "loc", "kind"),
    [
        ("search[ownership]=a&search[ownership][created_by]=b", "ownership", "duplicate_key"),
        ("search[ownership][created_by]=a&search[ownership]=b", "ownership", "duplicate_key"),
        ("search[ownership_members]=a", "ownership_members", "extra_forbidden"),
        ("search[description][x]=a", "description", "extra_forbidden"),
    ],
)
def test_what_means_nothing_is_refused(gateway, query, loc, kind):
    answer = gateway.get(f"/jobs?{query}")
    assert answer.status_code == 422
    (reason,) = answer.json()["detail"]
    assert (reason["loc"][:3], reason["type"]) == (["query", "search", loc], kind)
    assert gateway.stub.requests == []


def test_the_echo_has_the_form_of_the_question(gateway):
    def echo(request):
        return job_service_pb2.ListJobsResponse(object="list", search=request.search)

    gateway.stub.answers["ListJobs"] = echo
    answer = gateway.get(
        "/jobs?search[ownership][created_by]=ann&search[target][a.b][c%3Dd][e\\f]=x=y"
        "&search[target][name]=a,b&search[status]=failed"
    ).json()
    assert answer["search"] == {
        "status": ["failed"],
        "ownership": {"created_by": "ann"},
        "target": {"a.b": {"c=d": {"e\\f": "x=y"}}, "name": ["a", "b"]},
    }


@pytest.mark.parametrize("entry", ["", "a", "a\\", "=", ".=", "a=b\\"])
def test_any_entry_can_be_echoed(gateway, entry):
    search = job_service_pb2.JobSearch(target_members=[entry, "a.b=c"])
    gateway.stub.answers["ListJobs"] = lambda request: job_service_pb2.ListJobsResponse(
        object="list", search=search
    )
    assert gateway.get("/jobs").json()["search"]["target"]["a"] == {"b": "c"}
