"""Large entities and pages over REST: what was taken can be read, and what is too much says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.e2e.test_bad_input import ROWS, check_config
from tests.e2e.test_rest import Rest, fresh, put
from tests.service import Service

LONG = 90_000
SAMPLES = 1000


@pytest.fixture
def rest(service: Service) -> Rest:
    return Rest(service)


def test_what_grows_on_the_way_out_can_be_read(rest: Rest) -> None:
    """Each `<` is six bytes in an answer."""
    ns, text = fresh(), "<" * 11_500_000
    body = {"namespace": ns, "name": "t", "type": "rows", "rows": [{"a": text}]}
    made = rest("POST", "/targets", 201, json=body)
    assert made["rows"][0]["a"] == text
    assert rest("GET", f"/targets/{ns}/t") == made
    (listed,) = rest("GET", "/targets", params={"filter[namespace]": ns})["data"]
    assert listed == {k: v for k, v in made.items() if k != "rows"} | {"row_count": 1}


def test_lists_of_targets_with_long_rows(rest: Rest) -> None:
    ns, rows = fresh(), [{"i": i, "a": "x" * 700_000} for i in range(20)]
    for name in ("a", "b"):
        body = {"namespace": ns, "name": name, "type": "rows", "rows": rows}
        rest("POST", "/targets", 201, json=body)
    page = rest("GET", "/targets", params={"filter[namespace]": ns, "sort": "name"})
    assert [(target["name"], target["row_count"]) for target in page["data"]] == [
        ("a", 20),
        ("b", 20),
    ]
    assert len(json.dumps(page)) < 10_000


def test_pages_of_long_samples(rest: Rest, service: Service, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for i in range(SAMPLES):
            file.write(json.dumps({"a": "x", "i": i, "long": "y" * LONG}) + "\n")
    target = {"type": "dataset", "dataset": {"files_url": put(service, f"{fresh()}/data", path)}}
    config = check_config(["{{a}}", "equals", "x"])
    job = rest.finish(rest("POST", "/jobs", 201, json={"target": target, "config": config})["id"])
    assert job["status"] == "completed", job
    samples = f"/jobs/{job['id']}/samples"
    (problem,) = rest("GET", samples, 422, params={"page_size": SAMPLES})["detail"]
    assert problem["loc"] == ["query", "page_size"]
    assert "ask for fewer entries" in problem["msg"]
    page = rest("GET", samples, params={"page_size": SAMPLES // 2, "page": 2})
    assert [sample["item"]["i"] for sample in page["data"]] == list(range(500, 1000))


def test_what_is_more_as_a_message_than_it_was_as_json(rest: Rest) -> None:
    body = '{"type":"rows","rows":[{"a":[%s1]}]}' % ("1," * 4_000_000)
    answer = requests.post(
        f"{rest.base}/targets", body, headers={"content-type": "application/json"}, timeout=60
    )
    assert (answer.status_code, answer.json()["code"]) == (422, 3)
    assert "put rows into a data set instead" in answer.json()["detail"]


def test_changes_do_not_add_up_to_what_nobody_can_read(rest: Rest) -> None:
    ns, text = fresh(), "x" * (12 << 20)
    rest("POST", "/targets", 201, json={**ROWS, "namespace": ns, "name": "t", "description": text})
    problem = rest("PATCH", f"/targets/{ns}/t", 422, json={"project": text})["detail"]
    assert problem.startswith("with this change it would have 24.0 MiB")
    assert "project" not in rest("GET", f"/targets/{ns}/t")
