"""Which waiting jobs start, and when."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from evald.domain.attempts import Waiting
from evald.domain.devices import Need
from evald.executor.gpus import Gpus, Lease
from evald.executor.turns import MAX_PASSES, Turns
from tests.executor.test_gpus import on


def job(name: str, gpus: int = 0, namespace: str = "default") -> Waiting:
    return Waiting(name, "created", Need(gpus), namespace)


class Hall:
    """Jobs that wait for the GPUs of one machine."""

    def __init__(self, gpus: int, *, cap: int = 0) -> None:
        self.gpus = Gpus(str(gpus))
        self.turns = Turns(self.gpus, cap=cap)
        self.leases: dict[str, Lease] = {}

    def start(self, waiting: Sequence[Waiting], slots: int = 100, **running: int) -> list[str]:
        started = []
        for found, lease in self.turns.take(waiting, running, slots):
            self.leases[found.job_id] = lease
            started.append(found.job_id)
        return started

    def end(self, name: str) -> None:
        self.leases.pop(name).release()

    def pass_often(self, waiting: Waiting) -> None:
        """Has as many small jobs pass one that waits as may, and end."""
        for number in range(MAX_PASSES):
            name = f"small-{number}"
            assert self.start([waiting, job(name, 1)]) == [name]
            self.end(name)


def test_first_come_first_served_while_there_are_slots() -> None:
    hall = Hall(0)
    assert hall.start([job("a"), job("b"), job("c")], slots=2) == ["a", "b"]
    assert hall.start([job("c")], slots=0) == []


def test_a_job_passes_one_that_finds_too_few_gpus() -> None:
    hall = Hall(2)
    assert hall.start([job("first", 1), job("big", 2), job("small", 1), job("none")]) == [
        "first",
        "small",
        "none",
    ]


def test_a_job_that_was_passed_often_is_passed_no_more() -> None:
    hall = Hall(2)
    hall.start([job("long", 1)])
    big = job("big", 2)
    hall.pass_often(big)
    assert hall.start([big, job("late", 1), job("none")]) == ["none"]
    hall.end("long")
    assert hall.start([big, job("late", 1)]) == ["big"]
    hall.end("big")
    assert hall.start([job("late", 1), job("later", 1)]) == ["late", "later"]


def test_no_machine_is_kept_for_a_job_that_it_could_never_run() -> None:
    hall = Hall(0)
    hall.gpus.replace([*on("a", 3), *on("b", 1)])
    hall.start([job("long", 2)])
    big = job("big", 2)
    hall.pass_often(big)
    assert hall.start([big, job("late", 1), job("later", 1)]) == ["late"]
    assert [device.node for device in hall.leases["late"].devices] == ["b"]
    hall.end("long")
    assert hall.start([big, job("later", 1)]) == ["big", "later"]


def test_what_is_no_longer_waiting_keeps_nobody() -> None:
    hall = Hall(2)
    hall.start([job("long", 1)])
    hall.pass_often(job("big", 2))
    assert hall.start([job("late", 1)]) == ["late"]


@pytest.mark.parametrize(("running", "started"), [(0, ["a1", "a2", "b1"]), (1, ["a1", "b1"])])
def test_a_namespace_has_its_cap(running: int, started: list[str]) -> None:
    waiting = [job(name, namespace=name[0]) for name in ("a1", "a2", "a3", "b1")]
    assert Hall(0, cap=2).start(waiting, a=running) == started


def test_a_job_that_only_another_server_can_run_keeps_nobody_here() -> None:
    hall = Hall(1)
    for number in range(MAX_PASSES + 1):
        name = f"small-{number}"
        assert hall.start([job("big", 2), job(name, 1)]) == [name]
        hall.end(name)
