"""Backends with real children, which know the flow of `flows_plugin`."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evald.executor.backend import JobSpec
from evald.executor.local import LocalBackend
from evald.settings import Settings

PLUGIN = Path(__file__).parent / "flows_plugin"

Starts = Callable[..., LocalBackend]


class Mark:
    """A variable in the environment of all that a test starts."""

    def __init__(self) -> None:
        self.value = uuid4().hex

    def pids(self) -> set[int]:
        """Living processes that carry the mark."""
        found = set()
        for path in Path("/proc").iterdir():
            with suppress(OSError):
                if path.name.isdigit() and self.value.encode() in (path / "environ").read_bytes():
                    found.add(int(path.name))
        return found


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mark]:
    """Marks all children of a test, and sees that no process and no open file is left."""
    mark = Mark()
    paths = [str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHON_TRIAL", mark.value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield mark
    assert not mark.pids()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.fixture
def backends(mark: Mark) -> Iterator[Starts]:
    """Starts backends, and closes them."""
    started = []

    def start(**settings: Any) -> LocalBackend:
        started.append(LocalBackend(Settings(**{"warm_children": 0, **settings})))
        return started[-1]

    yield start
    for backend in started:
        backend.close()


@pytest.fixture
def backend(backends: Starts) -> LocalBackend:
    return backends()


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., JobSpec]:
    """Makes specs of the trial flow: `make_spec("hang", devices=("0",), count=3)`."""

    def make(
        do: str,
        *,
        devices: tuple[str, ...] = (),
        kept: Path | None = None,
        key: str = "sesame-open-4711",
        **config: Any,
    ) -> JobSpec:
        return JobSpec(
            job_id="eval-trial",
            attempt=1,
            config={"type": "trial", "do": do, **config},
            target={"type": "model", "model": {"api_endpoint": {"api_key": key}, "api_key": key}},
            clients=Settings(data_dir=tmp_path).clients,
            devices=devices,
            kept=kept,
        )

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], None]:
    """Waits for a condition."""

    def wait(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait
