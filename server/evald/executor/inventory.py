"""What the nodes of a Ray cluster have. Needs Ray."""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from threading import Event
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

LOOK_SECONDS = 2
"""How often is looked what nodes there are."""

FAILURES = 3
"""How often in a row Ray may fail to tell that."""

DEVICE = "ray:"
"""How the ids of GPUs begin; the id of their node comes next."""

KIND = "accelerator_type:"
"""How the resource begins by which Ray names the kind of a node's GPUs."""


def take(nodes: Sequence[Mapping[str, Any]], least_cpus: float) -> dict[str, Any]:
    """What those of `ray.nodes()` have that are alive. `gpus` are the fields of Device, of nodes
    that have the CPUs for an attempt."""
    alive = [node for node in nodes if node["Alive"]]
    return {
        "nodes": len(alive),
        "cpus": int(sum(node["Resources"].get("CPU", 0) for node in alive)),
        "gpus": [
            {
                "index": i,
                "uuid": f"{DEVICE}{node['NodeID']}:{i}",
                "name": f"{_kind(node['Resources'])} on {node['NodeManagerAddress']}",
                "memory_mib": 0,
                "node": node["NodeID"],
            }
            for node in sorted(alive, key=itemgetter("NodeID"))
            if node["Resources"].get("CPU", 0) >= least_cpus
            for i in range(int(node["Resources"].get("GPU", 0)))
        ],
    }


def _kind(resources: Mapping[str, float]) -> str:
    kinds = (name.removeprefix(KIND) for name in resources if name.startswith(KIND))
    return min(kinds, default="GPU")


def strategy(devices: Sequence[str]) -> Any:
    """Where Ray is to place a task that leases devices: on their node, or elsewhere when that is
    gone, or others have taken its GPUs."""
    for device in devices:
        if device.startswith(DEVICE):
            node_id = device.split(":")[1]
            return NodeAffinitySchedulingStrategy(node_id, soft=True, _spill_on_unavailable=True)
    return "DEFAULT"


def watch(
    control: socket.socket,
    known: Mapping[str, Any],
    least_cpus: float,
    node_id: str,
    over: Event,
) -> None:
    """Says what the nodes have when it is not what is `known` any more, until it is over, or its
    own node is no part of the cluster any more, or Ray does not tell."""
    failures = 0
    while not over.wait(LOOK_SECONDS):
        try:
            nodes = ray.nodes()
        except Exception:
            traceback.print_exc()
            failures += 1
            if failures == FAILURES:
                return
            continue
        failures = 0
        if not all(node["Alive"] for node in nodes if node["NodeID"] == node_id):
            return
        if nodes and (found := take(nodes, least_cpus)) != known:
            known = found
            with suppress(OSError):  # the server is gone
                control.sendall(json.dumps(known).encode() + b"\n")
