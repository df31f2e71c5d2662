"""What tests of all folders share: who they act for, and one service of each test process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from evald.domain import access
from tests.endpoint import Endpoint
from tests.service import Service


@pytest.fixture(autouse=True)
def _server() -> Iterator[None]:
    """Tests look at stores as the server itself does, unless they say on whose behalf."""
    with access.acting(access.SERVER):
        yield


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is kept in the user's cache folder goes with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def inference() -> Iterator[Endpoint]:
    """The endpoint of models that are only a name."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, inference: Endpoint) -> Iterator[Service]:
    """`evald up`: server, executor and Envoy, on free ports."""
    settings = {"EVALD_GPUS": "1", "EVALD_SLOTS": "4", "EVALD_INFERENCE_URL": inference.url}
    with Service(tmp_path_factory.mktemp("evald"), **settings) as service:
        yield service


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A model that answers each chat with the last message's text."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Ten questions; the first six have a reference that an echo gets right."""
    return write_rows(tmp_path / "rows.jsonl")


def write_rows(path: Path) -> Path:
    with path.open("w") as file:
        for i in range(10):
            right = i < 6
            row = {"prompt": f"word {i}", "ideal_response": f"word {i}" if right else "other"}
            file.write(json.dumps(row) + "\n")
    return path
