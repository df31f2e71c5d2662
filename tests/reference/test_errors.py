"""What REST API v1 says when something is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import Rest, chat_config, model_target
from tests.endpoint import Endpoint
from tests.reference.conftest import Ended


@pytest.mark.reference("a.4 duplicate name", "a.4 detail text")
@pytest.mark.parametrize("kind", ["target", "config"])
def test_a_name_is_given_once(rest: Rest, ended: Ended, kind: str) -> None:
    name = getattr(ended, kind)["name"]
    body = {**{"target": ROWS, "config": GOOD}[kind], "namespace": ended.namespace, "name": name}
    assert f"{ended.namespace}/{name}" in rest("POST", f"/{kind}s", 409, json=body)["detail"]


@pytest.mark.reference("a.4 message files_url")
@pytest.mark.parametrize("place", ["target", "config"])
def test_a_data_set_has_files(rest: Rest, files_url: str, place: str) -> None:
    data = {"dataset": {"name": "answers"}}
    body: dict[str, Any] = {"type": "dataset", **data}
    if place == "config":
        body = chat_config(files_url)
        body["tasks"]["qa"] |= data
    [problem] = rest("POST", f"/{place}s", 422, json=body)["detail"]
    assert problem["msg"].startswith("Dataset answers is not in the expected format; it needs to")
    assert problem["loc"][-2:] == ["dataset", "files_url"]


@pytest.mark.reference("a.4 message missing dataset")
def test_a_data_set_that_is_nowhere(rest: Rest, endpoint: Endpoint, ns: str) -> None:
    url = f"hf://datasets/{ns}/none"
    body = {"target": model_target(endpoint), "config": chat_config(url)}
    job = rest.finish(rest("POST", "/jobs", 201, json=body)["id"])
    assert (job["status"], job["error"]["kind"]) == ("failed", "dataset")
    assert job["error"]["message"].startswith(f"Dataset {url} is not present on datastore")


@pytest.mark.reference("a.4 message connection")
def test_a_model_that_is_nowhere(rest: Rest, files_url: str) -> None:
    with Endpoint() as gone:
        target = model_target(gone)
    config = chat_config(files_url, max_retries=0)
    job = rest.finish(rest("POST", "/jobs", 201, json={"target": target, "config": config})["id"])
    assert (job["status"], job["error"]["kind"]) == ("failed", "connection")
    assert gone.url in job["error"]["message"]
