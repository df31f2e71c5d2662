"""The fleet as it is shown: who holds what, why jobs wait, and who may know of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from evald.domain import access
from evald.domain.access import Caller, Role
from evald.domain.devices import Device, Need
from evald.domain.fleet import Fleet, Queued, Running, Server, Snapshot

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)

NONE = Need()


def gpu(index: int, gib: int = 24) -> Device:
    return Device(index, f"simulated-{index}", "simulated", gib * 1024, simulated=True)


def server(
    name: str, *devices: Device, slots: int = 2, cap: int = 0, shares: bool = False
) -> Server:
    return Server(name, "host", slots, cap, shares, devices, NOW, NOW)


def running(on: str, *devices: str, memory: int = 0, namespace: str = "team") -> Running:
    need = Need(len(devices), memory * 1024)
    return Running(f"eval-{namespace}", namespace, on, 1, devices, need)


def queued(need: Need = NONE, *, seconds: float = -1, namespace: str = "team") -> Queued:
    return Queued(f"eval-{namespace}", namespace, 0, need, NOW, seconds)


class Stored:
    """A fleet that stands still."""

    def __init__(self, servers: Any, runs: Any = (), queue: Any = (), waiting: int = 0) -> None:
        self._snapshot = Snapshot(servers, runs, queue, waiting)

    def snapshot(self) -> Snapshot:
        return self._snapshot


def described(*fleet: Any) -> dict[str, Any]:
    return Fleet(Stored(*fleet)).describe()


ONE = [server("a", gpu(0), gpu(1))]
FULL = [running("a"), running("a")]


@pytest.mark.parametrize(
    ("servers", "runs", "job", "reason"),
    [
        ([], [], queued(), "no server runs"),
        (ONE, [], queued(seconds=3.2), "runs again in 3 s at the earliest"),
        (ONE, FULL, queued(), "all 2 slots are taken"),
        (ONE, [running("a", "1")], queued(Need(2)), "needs 2 GPUs, 1 free"),
        (
            [server("a", gpu(0), shares=True)],
            [running("a", "0", memory=20)],
            queued(Need(1, 8 * 1024)),
            "needs 1 GPU of 8 GiB, 0 free",
        ),
        (ONE, [], queued(Need(3)), "needs 3 GPUs, which no server has"),
        (ONE, [], queued(Need(1, 80 * 1024)), "needs 1 GPU of 80 GiB, which no server has"),
        (
            [server("a", cap=1)],
            [running("a")],
            queued(),
            "its namespace runs 1 of 1 jobs that may run at once",
        ),
        (
            [server("a", cap=1)],
            [running("a", namespace="b")],
            queued(),
            "its turn has not come yet",
        ),
        ([*ONE, server("b")], FULL, queued(), "its turn has not come yet"),
        ([*ONE, server("b")], FULL, queued(Need(1)), "all 2 slots are taken"),
    ],
)
def test_why_a_job_waits(servers: Any, runs: Any, job: Queued, reason: str) -> None:
    [entry] = described(servers, runs, [job], 1)["queue"]
    assert (entry["position"], entry["reason"]) == (1, reason)


def test_what_is_held() -> None:
    servers = [server("a", gpu(0), gpu(1), shares=True), server("b", gpu(0))]
    runs = [running("a", "0", memory=16), running("a", "0", memory=4), running("b", "0")]
    shown = described(servers, [*runs, running("gone", "7")])
    devices = [(d["server"], d["id"], d["free_memory"], d["idle"]) for d in shown["devices"]]
    assert devices == [
        ("a", "simulated-0", 4.0, False),
        ("a", "simulated-1", 24.0, True),
        ("b", "simulated-0", 0.0, False),
    ]
    assert [(s["id"], s["running"]) for s in shown["servers"]] == [("a", 2), ("b", 1)]
    assert [lease["devices"] for lease in shown["leases"]] == [
        *[["simulated-0"]] * 3,
        ["7"],
    ]
    assert [lease.get("gpu_memory") for lease in shown["leases"]] == [16.0, 4.0, None, None]


def test_times_are_as_in_other_documents() -> None:
    shown = described(ONE, [], [queued()], 1)
    written = "2026-01-02T03:04:05.000006"
    assert shown["servers"][0]["started_at"] == shown["queue"][0]["created_at"] == written


def test_jobs_of_other_namespaces_have_no_names() -> None:
    team = Caller("ci", Role.READER, frozenset({"team"}))
    runs = [running("a"), running("a", namespace="other")]
    queue = [queued(namespace="other"), queued()]
    for shown_to, names in ((access.SERVER, ["team", "other"]), (team, ["team", None])):
        with access.acting(shown_to):
            shown = described(ONE, runs, queue, 9)
        assert [lease.get("namespace") for lease in shown["leases"]] == names
        assert [job.get("namespace") for job in shown["queue"]] == names[::-1]
        assert ("eval-other" in str(shown)) == ("other" in names)
        assert shown["queue_size"] == 9
