"""GPUs, what jobs ask of them, and the accounts of who holds how much."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evald.errors import InvalidArgument

GIB = 1024
"""MiB in a GiB."""

MAX_GIB = 2**20
"""More than any GPU has."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. A simulated one exists only in the accounts: children are told its index. `node` is
    the machine of a cluster that it is in, and `index` is that among those of its machine."""

    index: int
    uuid: str
    name: str
    memory_mib: int
    simulated: bool = False
    node: str = ""

    @property
    def visible(self) -> str:
        """How CUDA_VISIBLE_DEVICES names it. A UUID means the same device in every process, while
        an index depends on CUDA_DEVICE_ORDER and on what an outer CUDA_VISIBLE_DEVICES hides."""
        return str(self.index) if self.simulated else self.uuid


@dataclass(frozen=True, slots=True)
class Need:
    """GPUs that a job asks for, and how many MiB each must have; 0 stands for any."""

    gpus: int = 0
    memory_mib: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Need:
        """What the `gpus` and `gpu_memory` (GiB) of a config's params ask for. Raises
        InvalidArgument."""
        gpus, memory = params.get("gpus") or 0, params.get("gpu_memory")
        if gpus < 0:
            raise InvalidArgument.of("params.gpus", f"{gpus} is not a number from 0")
        if memory is None:
            return cls(gpus)
        if not 0 < memory <= MAX_GIB:  # nor NaN
            message = f"{memory} is not a number of GiB above 0, {MAX_GIB} at most"
            raise InvalidArgument.of("params.gpu_memory", message)
        if not gpus:
            message = "say in params.gpus how many GPUs must have this memory"
            raise InvalidArgument.of("params.gpu_memory", message)
        return cls(gpus, math.ceil(memory * GIB))

    def __str__(self) -> str:
        """`2 GPUs of 24 GiB`."""
        text = f"{self.gpus} GPU{'' if self.gpus == 1 else 's'}"
        return f"{text} of {gib(self.memory_mib):g} GiB" if self.memory_mib else text

    def fits(self, devices: Iterable[Device]) -> bool:
        """Whether these devices would be enough if nobody held any. A job runs on one machine."""
        return self._most(devices) >= self.gpus

    def _most(self, devices: Iterable[Device]) -> int:
        """How many on one machine have the memory."""
        return len(largest(d for d in devices if d.memory_mib >= self.memory_mib))

    def check(self, servers: Sequence[Sequence[Device]]) -> None:
        """Raises InvalidArgument when the devices of no server would ever be enough."""
        if any(self.fits(devices) for devices in servers):
            return
        asked = f"{self} {'is' if self.gpus == 1 else 'are'} asked for"
        has = "this server has" if len(servers) == 1 else "no server has more than"
        instead = "ask for fewer, or let EVALD_GPUS simulate some"
        if any(device.node for devices in servers for device in devices):
            has, instead = "no node has more than", "ask for fewer"
        most = max(len(largest(devices)) for devices in servers)
        if self.gpus > most:
            raise InvalidArgument.of("params.gpus", f"{asked}, and {has} {most}: {instead}")
        best = max((d for devices in servers for d in devices), key=lambda d: d.memory_mib)
        most = max(map(self._most, servers))
        raise InvalidArgument.of(
            "params.gpu_memory",
            f"{asked}, and {has} {most}: the largest, {best.name}, has "
            f"{gib(best.memory_mib):g} GiB; ask for less, or for fewer GPUs",
        )


class Accounts:
    """Who holds how much of the devices of one server.

    A job takes its devices whole, unless they are shared and it has said how much memory it needs.
    """

    def __init__(self, devices: Sequence[Device], *, sharing: bool = False) -> None:
        self._machines = by_machine(devices)
        self._sharing = sharing
        self._held: dict[Device, list[int]] = {device: [] for device in devices}

    def free_mib(self, device: Device) -> int:
        """Memory that nobody holds."""
        return device.memory_mib - sum(self._held[device])

    def is_idle(self, device: Device) -> bool:
        return not self._held[device]

    def fitting(self, need: Need, starved: Collection[Need] = ()) -> list[Device]:
        """The devices of one machine that have room for a need: those first that it would fill
        best, then those of lower index. They are those of the machine that has the fewest that are
        enough, or else of the one that has the most; machines that would fit a starved need are
        left out."""
        shares = self._shares(need)
        found = [
            [
                device
                for device in machine
                if (shares or self.is_idle(device)) and self.free_mib(device) >= need.memory_mib
            ]
            for machine in self._machines
            if not any(other.fits(machine) for other in starved)
        ]
        enough = [devices for devices in found if len(devices) >= need.gpus]
        fitting = min(enough, key=len) if enough else max(found, key=len, default=[])
        return sorted(fitting, key=self.free_mib) if need.memory_mib else fitting

    def take(self, devices: Iterable[Device], need: Need) -> None:
        """Books devices for a need."""
        for device in devices:
            self._held[device].append(self._taken(device, need))

    def give_back(self, devices: Iterable[Device], need: Need) -> None:
        """Ends what `take` has booked."""
        for device in devices:
            self._held[device].remove(self._taken(device, need))

    def _shares(self, need: Need) -> bool:
        return self._sharing and need.memory_mib > 0

    def _taken(self, device: Device, need: Need) -> int:
        return need.memory_mib if self._shares(need) else device.memory_mib


def by_machine(devices: Iterable[Device]) -> list[list[Device]]:
    """The devices of each machine."""
    found: defaultdict[str, list[Device]] = defaultdict(list)
    for device in devices:
        found[device.node].append(device)
    return list(found.values())


def largest(devices: Iterable[Device]) -> list[Device]:
    """The devices of the machine that has most of them."""
    return max(by_machine(devices), key=len, default=[])


def gib(mib: int) -> float:
    """MiB as GiB, as far as anybody reads them."""
    return round(mib / GIB, 1)
