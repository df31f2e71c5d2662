"""GPUs: discovery, and leases."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from evald.domain.devices import Accounts, Device, Need
from evald.errors import InvalidArgument
from evald.executor import gpus
from evald.executor.gpus import Gpus, within

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
    with found.lease(Need(2)) as lease:  # type: ignore[union-attr]
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


def test_simulated_ones_may_have_memory() -> None:
    assert [d.memory_mib for d in Gpus("2x24").devices] == [24 * 1024] * 2


@pytest.mark.parametrize("choice", ["many", "-1", "", "1.5", "2x", "x24", "2x24GiB"])
def test_another_choice_is_refused(choice: str) -> None:
    with pytest.raises(InvalidArgument, match="neither auto, none, a number of GPUs, nor"):
        Gpus(choice)


def test_a_lease_is_all_or_nothing_and_lowest_first() -> None:
    found = Gpus("3")
    first = found.lease(Need(2))
    assert first is not None
    assert first.visible == ("0", "1")
    assert found.lease(Need(2)) is None
    assert found.free == 1
    last = found.lease(Need(1))
    assert last is not None
    first.release()
    first.release()
    assert found.free == 2
    last.release()
    again = found.lease(Need(3))
    assert again is not None
    assert again.visible == ("0", "1", "2")


def on(node: str, count: int) -> list[Device]:
    return [Device(i, f"{node}{i}", f"a GPU on {node}", 0, node=node) for i in range(count)]


def test_devices_come_and_go() -> None:
    found = Gpus("none")
    assert found.lease(Need(1)) is None
    found.replace([*on("a", 1), *on("b", 1)])
    first, second = found.lease(Need(1)), found.lease(Need(1))
    assert first is not None
    assert second is not None
    assert (first.visible, second.visible) == (("a0",), ("b0",))
    found.replace(on("b", 1))
    first.release()
    assert found.free == 0
    found.replace([*on("b", 1), *on("c", 1)])
    third = found.lease(Need(1))
    assert third is not None
    assert third.visible == ("c0",)
    found.replace([])
    assert found.lease(Need(1)) is None
    second.release()
    found.replace([*on("b", 1), *on("c", 1)])
    assert found.free == 1
    third.release()
    assert found.free == 2


def test_those_of_a_lease_are_of_one_machine() -> None:
    found = Gpus("none")
    found.replace([*on("a", 4), *on("b", 2)])
    small = found.lease(Need(1))
    assert small is not None
    assert small.visible == ("b0",)
    assert found.lease(Need(5)) is None
    assert found.free == 5
    large = found.lease(Need(3))
    assert large is not None
    assert large.visible == ("a0", "a1", "a2")
    assert found.lease(Need(2)) is None
    small.release()
    assert found.lease(Need(2)) is not None


def test_what_a_cluster_has_had_it_may_have_again() -> None:
    found = Gpus("none")
    found.replace([*on("a", 2), *on("b", 1)])
    found.replace(on("b", 1))
    assert Need(2).fits(found.largest)
    assert not Need(3).fits(found.largest)
    assert not Need(2).fits(found.devices)


def test_nothing_can_always_be_leased() -> None:
    lease = Gpus("none").lease(Need(0))
    assert lease is not None
    assert lease.visible == ()
    lease.release()


SMALL, LARGE = (Device(i, f"GPU-{i}", f"a {n} GPU", n * 1024) for i, n in enumerate((24, 80)))


def test_the_device_that_a_need_fits_best_is_taken() -> None:
    accounts = Accounts([LARGE, SMALL])
    assert accounts.fitting(Need(1, 8 * 1024)) == [SMALL, LARGE]
    assert accounts.fitting(Need(1, 40 * 1024)) == [LARGE]
    assert accounts.fitting(Need(1)) == [LARGE, SMALL]


def test_without_sharing_a_job_takes_devices_whole() -> None:
    found = Gpus("2x24")
    leases = [found.lease(Need(1, 1024)) for _ in range(3)]
    assert [lease and lease.visible for lease in leases] == [("0",), ("1",), None]


def test_shared_devices_are_filled_one_after_the_other() -> None:
    found = Gpus("2x24", sharing=True)
    needs = [Need(1, n * 1024) for n in (16, 12, 8, 12)]
    leases = [found.lease(need) for need in needs]
    assert [lease and lease.visible for lease in leases] == [("0",), ("1",), ("0",), ("1",)]
    assert found.lease(Need(1, 1)) is None
    assert leases[2] is not None
    leases[2].release()
    leases[2].release()
    assert found.lease(Need(1, 9 * 1024)) is None
    again = found.lease(Need(1, 8 * 1024))
    assert again is not None
    assert again.visible == ("0",)
    assert found.free == 0


def test_who_says_no_memory_shares_with_nobody() -> None:
    found = Gpus("2x24", sharing=True)
    whole = found.lease(Need(1))
    assert whole is not None
    assert whole.visible == ("0",)
    part = found.lease(Need(1, 1024))
    assert part is not None
    assert part.visible == ("1",)
    assert found.lease(Need(1)) is None
    assert found.lease(Need(2, 1024)) is None
    whole.release()
    both = found.lease(Need(2, 1024))
    assert both is not None
    assert both.visible == ("0", "1")


def test_gpus_without_known_memory_are_not_shared() -> None:
    found = Gpus("1", sharing=True)
    assert found.lease(Need(1, 1)) is None
    assert found.lease(Need(1)) is not None
    assert found.lease(Need(1)) is None


@pytest.mark.parametrize(
    ("need", "servers", "field", "words"),
    [
        (Need(2), [[LARGE]], "gpus", "2 GPUs are asked for, and this server has 1"),
        (Need(1), [[]], "gpus", "1 GPU is asked for, and this server has 0"),
        (Need(3), [[LARGE], [LARGE, SMALL]], "gpus", "no server has more than 2"),
        (Need(3), [[*on("a", 2), *on("b", 2)]], "gpus", "no node has more than 2"),
        (
            Need(1, 81 * 1024),
            [[SMALL, LARGE]],
            "gpu_memory",
            "1 GPU of 81 GiB is asked for, and this server has 0: the largest, a 80 GPU, has 80 ",
        ),
        (Need(2, 40 * 1024), [[SMALL, LARGE]], "gpu_memory", "this server has 1: the largest"),
    ],
)
def test_what_can_never_be_had_is_refused(
    need: Need, servers: list[list[Device]], field: str, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words) as e:
        need.check(servers)
    assert [v.field for v in e.value.violations] == [f"params.{field}"]


@pytest.mark.parametrize("need", [Need(), Need(1), Need(2, 24 * 1024), Need(1, 80 * 1024)])
def test_what_one_server_has_is_not(need: Need) -> None:
    need.check([[], [SMALL, LARGE]])


@pytest.mark.parametrize(
    ("params", "need"),
    [
        ({}, Need()),
        ({"gpus": 2}, Need(2)),
        ({"gpus": 1, "gpu_memory": 24}, Need(1, 24 * 1024)),
        ({"gpus": 1, "gpu_memory": 0.0001}, Need(1, 1)),
    ],
)
def test_needs_are_read(params: dict[str, Any], need: Need) -> None:
    assert Need.of(params) == need


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"gpus": -1}, "gpus"),
        ({"gpu_memory": 8.0}, "gpu_memory"),
        *[({"gpus": 1, "gpu_memory": m}, "gpu_memory") for m in (0.0, -1.0, math.nan, math.inf)],
    ],
)
def test_needs_that_are_none(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as e:
        Need.of(params)
    assert [v.field for v in e.value.violations] == [f"params.{field}"]


def test_threads_never_share_a_device() -> None:
    found = Gpus("4")
    held: set[str] = set()

    def work(n: int) -> int:
        got = 0
        for _ in range(300):
            lease = found.lease(Need(n))
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
