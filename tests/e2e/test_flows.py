"""GET /flows over REST: what can be evaluated, as the installed flows and metrics say it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evald import catalog
from tests.e2e.test_rest import Rest
from tests.service import Service

TARGETS = {"model", "rows", "dataset", "cached_outputs", "retriever", "rag"}


@pytest.fixture(scope="module")
def found(service: Service) -> dict[str, Any]:
    answer: dict[str, Any] = Rest(service)("GET", "/flows")
    return answer


def test_it_is_what_the_catalog_says(found: dict[str, Any]) -> None:
    described = catalog.describe()
    assert found["object"] == "list"
    shown = {flow["name"]: flow for flow in found["data"]}
    assert list(shown) == [flow["name"] for flow in described["data"]]
    for flow in described["data"]:
        given = shown[flow["name"]]
        for key in ("description", "types", "more_types", "metrics", "params"):
            assert given.get(key) == json.loads(json.dumps(flow[key])), (flow["name"], key)
        assert given["tasks"] == flow["tasks"]
        assert given.get("missing") == flow.get("missing")
    assert found["metrics"] == json.loads(json.dumps(described["metrics"]))


def test_a_caller_can_build_on_it(found: dict[str, Any]) -> None:
    flows = {flow["name"]: flow for flow in found["data"]}
    custom = flows["custom"]
    assert {task["type"]: task["targets"] for task in custom["tasks"]} == {
        "data": ["rows", "dataset"],
        "completion": ["model"],
        "chat-completion": ["model"],
        "prompt-optimization": ["model"],
    }
    assert set(custom["metrics"]) == {metric["type"] for metric in found["metrics"]}
    assert "string-check" in custom["metrics"]
    for flow in flows.values():
        assert flow["types"]
        assert {target for task in flow["tasks"] for target in task["targets"]} <= TARGETS
    for described in (*flows.values(), *found["metrics"]):
        assert described["description"]
        assert described["params"]["type"] == "object"
    parallelism = custom["params"]["properties"]["parallelism"]
    assert (parallelism["minimum"], parallelism["maximum"]) == (1, 1024)
