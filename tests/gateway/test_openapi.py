"""The OpenAPI document that the gateway serves, written from the contract."""

import json
from pathlib import Path

import requests
import schemathesis
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.fuzz.methods import contract

ROOT = Path(__file__).parents[2]


def served(gateway):
    answer = requests.get(f"{gateway.origin}/openapi.json", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def operations(document):
    return {
        operation["operationId"]: operation
        for verbs in document["paths"].values()
        for operation in verbs.values()
    }


def test_it_is_served_as_it_was_written(gateway):
    assert served(gateway) == json.loads((ROOT / "gen" / "openapi.json").read_text())


def test_it_is_what_openapi_says(gateway):
    OpenAPIV31SpecValidator(served(gateway)).validate()


def test_it_has_every_method(gateway):
    assert set(operations(served(gateway))) == {method.name for method in contract()}


def test_every_operation_can_be_fuzzed(gateway):
    document = served(gateway)
    found = [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert len(found) == len(operations(document))


def test_what_only_the_server_sets_is_read_only(gateway):
    job = served(gateway)["components"]["schemas"]["Job"]["properties"]
    assert {name for name, schema in job.items() if schema.get("readOnly")} == {
        "id",
        "created_at",
        "updated_at",
        "result",
        "output_files_url",
        "status",
        "status_details",
        "error",
        "state_history",
        "attempts",
    }


def test_ranges_are_told(gateway):
    document = served(gateway)
    (size,) = [
        p for p in operations(document)["ListJobs"]["parameters"] if p["name"] == "page_size"
    ]
    assert (size["schema"]["minimum"], size["schema"]["maximum"]) == (1, 1000)
    state = document["components"]["schemas"]["StateChange"]["properties"]["attempt"]
    assert state["oneOf"][0]["minimum"] <= 0
