"""Backends with real children, which know the flow of `flows_plugin`."""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evald.executor import events
from evald.executor.backend import JobSpec
from evald.executor.driver import Driver
from evald.executor.gpus import Gpus
from evald.executor.limits import Limits
from evald.executor.local import LocalBackend
from evald.executor.ray import RayBackend
from evald.settings import Settings
from tests.executor.bench import Bench, Script

PLUGIN = Path(__file__).parent / "flows_plugin"

ENVIRONMENT = {
    **dict.fromkeys(("EVALD_SLOTS", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"), "1"),
    **{"OTHER": "1", "HF_ENDPOINT": "https://user:password@host/", "HF_HOME": "/cache"},
}
"""Variables of a server: its children get the last one, and those by which data is read."""

AnyBackend = LocalBackend | RayBackend
Starts = Callable[..., AnyBackend]


class Mark:
    """A variable in the environment of all that a test starts."""

    value = uuid4().hex
    ray = "no marker"
    """What those have that Ray is made of, which outlives a test."""

    def pids(self) -> set[int]:
        """Living processes that carry the mark, but for what Ray keeps."""
        found = set()
        for path in Path("/proc").iterdir():
            with suppress(OSError):
                environment = (path / "environ").read_bytes() if path.name.isdigit() else b""
                if (
                    self.value.encode() in environment
                    and self.ray.encode() not in environment
                    and not kept(path)
                ):
                    found.add(int(path.name))
        return found


def described(pid: int) -> str:
    """The number, parent, command and state of a process."""
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        status = re.findall(r"^(?:State|PPid):\s*(.*)", (process / "status").read_text(), re.M)
        return f"{pid} {status} {(process / 'cmdline').read_bytes()!r}"
    return f"{pid} is over"


def kept(process: Path) -> bool:
    """Whether a process is the driver, its guardian, one of Ray's own, or the child of a worker of
    Ray that has nothing to do. Ray writes titles over the environment, with the marker in it."""
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    is_idle = Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"ray::IDLE")
    command = (process / "cmdline").read_bytes()
    own = (b"ray::", b"/site-packages/ray/", b"evald.executor.guardian")
    return is_idle or any(part in command for part in own)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A Ray of this test process, with two simulated GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        set_mark(patch)
        settings = Settings(data_dir=tmp_path_factory.mktemp("ray"), executor="ray")
        driver = Driver(settings, Gpus("2").devices)
    yield driver
    driver.close()


class Shared:
    """A driver that is not closed with a backend."""

    def __init__(self, driver: Driver) -> None:
        self.open = driver.open

    def close(self) -> None: ...


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.xdist_group("ray"))])
def executor(request: pytest.FixtureRequest) -> str:
    """The backend that a test runs on. Ray is started before the test counts what is open."""
    if request.param == "ray":
        Mark.ray = request.getfixturevalue("driver").marker
    return request.param


@pytest.fixture
def mark(executor: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mark]:
    """Marks all children of a test, and sees that no process and no open file is left."""
    mark = Mark()
    set_mark(monkeypatch)
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield mark
    if executor == "ray":
        with suppress(AssertionError):
            wait_until(lambda: not mark.pids())  # a task ends after what it says last
    assert not [described(pid) for pid in mark.pids()]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def set_mark(patch: pytest.MonkeyPatch) -> None:
    paths = [str(PLUGIN), *filter(None, [os.environ.get("PYTHONPATH")])]
    patch.setenv("PYTHON_TRIAL", Mark.value)
    patch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def backends(executor: str, mark: Mark, request: pytest.FixtureRequest) -> Iterator[Starts]:
    """Starts backends, and closes them."""
    started: list[AnyBackend] = []

    def start(**given: Any) -> AnyBackend:
        # Of the workers of Ray, which outlive a test, each keeps a child too.
        settings = Settings(**{"warm_children": int(executor == "ray"), **given})
        if executor == "local":
            limits = Limits.here(settings.job_memory, settings.job_processes, settings.job_output)
            started.append(LocalBackend(limits, warm=settings.warm_children))
        else:
            started.append(RayBackend(settings, Shared(request.getfixturevalue("driver"))))
        return started[-1]

    yield start
    for backend in started:
        backend.close()


@pytest.fixture
def backend(backends: Starts) -> AnyBackend:
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
    return wait_until


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(say: Callable[[Script], Iterator[events.Event]], **settings: Any) -> Bench:
        made = Bench(tmp_path, say, **{"gpus": "none", **settings})
        benches.append(made)
        made.executor.start()
        return made

    yield make
    for made in benches:
        made.executor.stop(0)
        assert made.gpus.free == len(made.gpus.devices)
        assert made.store.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        made.store.close()
