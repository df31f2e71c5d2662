"""GPUs: discovery, and leases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pynvml
import pytest

from evald.errors import InvalidArgument
from evald.executor import gpus
from evald.executor.gpus import Device, Gpus, within

REAL = [Device(i, f"GPU-{i}{i}{i}-abc", "a GPU", 81920) for i in range(4)]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML, as on a machine with four GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fakes = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: len(REAL),
        "nvmlDeviceGetHandleByIndex": lambda i: REAL[i],
        "nvmlDeviceGetUUID": lambda d: d.uuid,
        "nvmlDeviceGetName": lambda d: d.name.encode(),
        "nvmlDeviceGetMemoryInfo": lambda d: SimpleNamespace(total=d.memory_mib * 2**20 + 1),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(pynvml, name, fake)


@pytest.mark.usefixtures("machine")
def test_nvml_is_asked() -> None:
    found = Gpus("auto")
    assert list(found.devices) == REAL
    with found.lease(2) as lease:  # type: ignore[union-attr]
        assert lease.visible == ("GPU-000-abc", "GPU-111-abc")


@pytest.mark.usefixtures("machine")
def test_an_outer_choice_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert [d.index for d in Gpus("auto").devices] == [1, 3]


@pytest.mark.parametrize(
    ("visible", "indexes"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("2", [2]),
        ("GPU-111-abc, GPU-3", [1, 3]),
        ("0,7,1", [0]),
        ("0,0,1", [0]),
        ("GPU-", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices_are_read_as_cuda_does(visible: str | None, indexes: list[int]) -> None:
    assert [d.index for d in within(REAL, visible)] == indexes


def test_no_library_means_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert gpus.discover() == ()


def test_none_and_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Gpus("none").devices == ()
    assert [(d.index, d.visible, d.simulated) for d in Gpus("2").devices] == [
        (0, "0", True),
        (1, "1", True),
    ]


@pytest.mark.parametrize("choice", ["many", "-1", "", "1.5"])
def test_another_choice_is_refused(choice: str) -> None:
    with pytest.raises(InvalidArgument, match="neither auto, none nor a number"):
        Gpus(choice)


def test_a_lease_is_all_or_nothing_and_lowest_first() -> None:
    found = Gpus("3")
    first = found.lease(2)
    assert first is not None
    assert first.visible == ("0", "1")
    assert found.lease(2) is None
    assert found.free == 1
    last = found.lease(1)
    assert last is not None
    first.release()
    first.release()
    assert found.free == 2
    last.release()
    again = found.lease(3)
    assert again is not None
    assert again.visible == ("0", "1", "2")


def test_nothing_can_always_be_leased() -> None:
    lease = Gpus("none").lease(0)
    assert lease is not None
    assert lease.visible == ()
    lease.release()


def test_more_than_there_are_is_refused() -> None:
    found = Gpus("1")
    found.check(1)
    with pytest.raises(InvalidArgument, match="2 GPUs are asked for, and this server has 1") as e:
        found.check(2)
    assert [v.field for v in e.value.violations] == ["params.gpus"]


def test_threads_never_share_a_device() -> None:
    found = Gpus("4")
    held: set[str] = set()

    def work(n: int) -> int:
        got = 0
        for _ in range(300):
            lease = found.lease(n)
            if lease is not None:
                assert not held & set(lease.visible)
                held.update(lease.visible)
                got += 1
                held.difference_update(lease.visible)
                lease.release()
        return got

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, [1, 2, 3, 1, 2, 4])) > 0
    assert found.free == 4
