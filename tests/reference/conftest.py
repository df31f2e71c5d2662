"""REST as callers of NeMo Evaluator use it, and a job that has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import write_rows
from tests.e2e.test_bad_input import GOOD, ROWS
from tests.e2e.test_rest import Rest, fresh, put
from tests.service import Service


@dataclass(frozen=True)
class Ended:
    """A completed job of a kept target and config, all in one namespace, and its result."""

    namespace: str
    target: dict[str, Any]
    config: dict[str, Any]
    created: dict[str, Any]
    job: dict[str, Any]
    result: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/jobs/{self.job['id']}"


@pytest.fixture(scope="session")
def rest(service: Service) -> Rest:
    return Rest(service)


@pytest.fixture
def ns() -> str:
    """A namespace that nobody else uses."""
    return fresh()


@pytest.fixture(scope="session")
def files_url(service: Service, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten rows in the embedded store; an echo gets six of them right."""
    rows = write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl")
    return put(service, f"{fresh()}/data", rows)


@pytest.fixture(scope="session")
def ended(rest: Rest) -> Ended:
    """Nobody changes it."""
    ns = fresh()
    target = rest("POST", "/targets", 201, json={"namespace": ns, "name": "t", **ROWS})
    config = rest("POST", "/configs", 201, json={"namespace": ns, "name": "c", **GOOD})
    body = {"namespace": ns, "target": f"{ns}/t", "config": f"{ns}/c"}
    created = rest("POST", "/jobs", 201, json=body)
    job = rest.finish(created["id"])
    assert job["status"] == "completed"
    result = rest("GET", f"/jobs/{job['id']}/results")
    return Ended(ns, target, config, created, job, result)
