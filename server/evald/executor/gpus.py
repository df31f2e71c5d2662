"""GPUs of this machine, and who holds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

import pynvml

from evald.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. A simulated one exists only in the accounts: children are told its index."""

    index: int
    uuid: str
    name: str
    memory_mib: int
    simulated: bool = False

    @property
    def visible(self) -> str:
        """How CUDA_VISIBLE_DEVICES names it. A UUID means the same device in every process, while
        an index depends on CUDA_DEVICE_ORDER and on what an outer CUDA_VISIBLE_DEVICES hides."""
        return str(self.index) if self.simulated else self.uuid


class Lease:
    """Devices that one attempt holds until `release`, or until its `with` block ends."""

    def __init__(self, gpus: Gpus, devices: Sequence[Device]) -> None:
        self.devices = tuple(devices)
        self._gpus = gpus

    @property
    def visible(self) -> tuple[str, ...]:
        """Values for CUDA_VISIBLE_DEVICES."""
        return tuple(device.visible for device in self.devices)

    def release(self) -> None:
        """Gives the devices back; once is enough, more does no harm."""
        self._gpus.release(self)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Gpus:
    """The GPUs that jobs may use, leased all or nothing, lowest index first.

    `choice` is `auto` (what NVML finds, within an outer CUDA_VISIBLE_DEVICES), `none`, or a number
    of simulated devices.
    """

    def __init__(self, choice: str = "auto") -> None:
        self.devices: tuple[Device, ...] = _choose(choice)
        self._free = list(self.devices)
        self._leases: set[Lease] = set()
        self._lock = Lock()

    @property
    def free(self) -> int:
        """Devices that nobody holds."""
        with self._lock:
            return len(self._free)

    def lease(self, n: int) -> Lease | None:
        """The `n` free devices of lowest index, or None while fewer are free."""
        with self._lock:
            if n > len(self._free):
                return None
            lease = Lease(self, self._free[:n])
            del self._free[:n]
            self._leases.add(lease)
            return lease

    def release(self, lease: Lease) -> None:
        """Gives a lease's devices back; once is enough, more does no harm."""
        with self._lock:
            if lease in self._leases:
                self._leases.remove(lease)
                self._free = sorted([*self._free, *lease.devices], key=lambda d: d.index)

    def check(self, n: int) -> None:
        """Raises InvalidArgument when `n` devices could never be had here."""
        if n > len(self.devices):
            raise InvalidArgument.of(
                "params.gpus",
                f"{n} GPUs are asked for, and this server has {len(self.devices)}: ask for fewer, "
                "or let EVALD_GPUS simulate some",
            )


def _choose(choice: str) -> tuple[Device, ...]:
    if choice == "none":
        return ()
    if choice == "auto":
        return within(discover(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    try:
        count = int(choice)
    except ValueError:
        count = -1
    if count < 0:
        raise InvalidArgument.of("gpus", f"{choice!r} is neither auto, none nor a number of GPUs")
    return tuple(Device(i, f"simulated-{i}", "simulated", 0, simulated=True) for i in range(count))


def discover() -> tuple[Device, ...]:
    """What NVML finds; nothing where there is no NVML."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_device(i) for i in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _device(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Device(
        index=index,
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_mib=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // 2**20,
    )


def _text(value: str | bytes) -> str:
    """Older NVML bindings answer bytes."""
    return value.decode() if isinstance(value, bytes) else value


def within(devices: Sequence[Device], visible: str | None) -> tuple[Device, ...]:
    """The devices that a CUDA_VISIBLE_DEVICES names, by index or by the beginning of a UUID.

    As in CUDA, the list ends at the first name that fits no device, so `-1` and an empty text hide
    all of them. Not set means all.
    """
    if visible is None:
        return tuple(devices)
    found: list[Device] = []
    for name in (part.strip() for part in visible.split(",")):
        fits = [d for d in devices if name == str(d.index) or (name and d.uuid.startswith(name))]
        if len(fits) != 1 or fits[0] in found:
            break
        found += fits
    return tuple(sorted(found, key=lambda d: d.index))
