"""What is told of the nodes of a Ray cluster, and where attempts are placed by that."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evald import app
from evald.domain.devices import Device
from evald.executor import inventory
from evald.settings import Settings

HERE, THERE = "ab" * 28, "cd" * 28


def node(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {
        "NodeID": name,
        "Alive": alive,
        "NodeManagerAddress": "10.0.0.1",
        "Resources": {"CPU": 2.0, **resources},
    }


def test_what_nodes_have() -> None:
    nodes = [
        node(THERE, GPU=2.0, **{"accelerator_type:H200": 1.0}),
        node(HERE, GPU=1.0),
        node("ef" * 28, alive=False, GPU=8.0),
        node("99" * 28, CPU=0.0, GPU=8.0),
    ]
    found = inventory.take(nodes, 1.0)
    assert (found["nodes"], found["cpus"]) == (3, 4)
    assert [(d["node"], d["index"], d["name"]) for d in found["gpus"]] == [
        (HERE, 0, "GPU on 10.0.0.1"),
        (THERE, 0, "H200 on 10.0.0.1"),
        (THERE, 1, "H200 on 10.0.0.1"),
    ]


def test_an_attempt_is_placed_where_its_devices_are() -> None:
    [device] = (Device(**gpu) for gpu in inventory.take([node(HERE, GPU=1.0)], 1.0)["gpus"])
    placed = inventory.strategy([device.visible])
    assert isinstance(placed, NodeAffinitySchedulingStrategy)
    assert (placed.node_id, placed.soft) == (HERE, True)


@pytest.mark.parametrize("devices", [[], ["0"], ["GPU-4711"]])
def test_other_devices_are_those_of_any_node(devices: list[str]) -> None:
    assert inventory.strategy(devices) == "DEFAULT"


def test_changes_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [node(HERE)]
    monkeypatch.setattr(inventory, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(inventory.ray, "nodes", lambda: list(nodes))
    ours, theirs = socket.socketpair()
    over = Event()
    with ours, theirs, ours.makefile("rb") as lines:
        arguments = (theirs, inventory.take(nodes, 1.0), 1.0, HERE, over)
        thread = Thread(target=inventory.watch, args=arguments)
        thread.start()
        nodes.append(node(THERE, GPU=1.0))
        assert json.loads(lines.readline()) == inventory.take(nodes, 1.0)
        over.set()
        thread.join(20)


@pytest.mark.parametrize(("choice", "found"), [("auto", ["ray:a:0"]), ("2", ["0", "1"])])
def test_gpus_are_those_of_the_cluster_unless_their_number_is_set(
    choice: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [Device(0, "ray:a:0", "GPU on a", 0, node="a")]

    def make(_: Settings, *, on_gpus: Callable[[Sequence[Device]], None] | None = None) -> None:
        if on_gpus is not None:
            on_gpus(told)

    monkeypatch.setattr(app, "Driver", make)
    settings = Settings(data_dir=tmp_path, executor="ray", ray_address="head:6379", gpus=choice)
    gpus, _ = app.gpus_and_backend(settings)
    assert [device.visible for device in gpus.devices] == found
