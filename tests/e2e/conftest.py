"""One `evald up` of each test process: server, executor and Envoy, on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endpoint import Endpoint
from tests.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("evald"), EVALD_GPUS="1", EVALD_SLOTS="4") as service:
        yield service


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A model that answers each chat with the last message's text."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Ten questions; the first six have a reference that an echo gets right."""
    import json

    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for i in range(10):
            right = i < 6
            row = {"prompt": f"word {i}", "ideal_response": f"word {i}" if right else "other"}
            file.write(json.dumps(row) + "\n")
    return path
