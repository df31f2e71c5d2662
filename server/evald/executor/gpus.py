"""GPUs of this machine, or of a cluster, and who holds them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from threading import Lock
from types import TracebackType

import pynvml

from evald.domain.devices import GIB, Accounts, Device, Need, largest
from evald.errors import InvalidArgument


class Lease:
    """Devices that one attempt holds until `release`, or until its `with` block ends."""

    def __init__(self, gpus: Gpus, devices: Sequence[Device], need: Need) -> None:
        self.devices = tuple(devices)
        self.need = need
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
    """The GPUs that jobs may use, leased all or nothing.

    `choice` is `auto` (what NVML finds, within an outer CUDA_VISIBLE_DEVICES), `none`, a number of
    simulated devices, or a number and the GiB of each, such as `4x24`.
    """

    def __init__(self, choice: str = "auto", *, sharing: bool = False) -> None:
        self.sharing = sharing
        self._leases: set[Lease] = set()
        self._lock = Lock()
        self.largest: Sequence[Device] = ()
        """The devices of the machine that has had most of them."""
        self.replace(_choose(choice))

    def replace(self, devices: Sequence[Device]) -> None:
        """From now on there are these devices. Whoever holds one that is gone holds it until it is
        released, also when it is back."""
        with self._lock:
            self.devices = tuple(devices)
            self.largest = max([self.largest, largest(devices)], key=len)
            self._accounts = Accounts(self.devices, sharing=self.sharing)
            for lease in self._leases:
                self._accounts.take(self._left(lease), lease.need)

    @property
    def free(self) -> int:
        """Devices that nobody holds."""
        with self._lock:
            return sum(map(self._accounts.is_idle, self.devices))

    def lease(self, need: Need, starved: Collection[Need] = ()) -> Lease | None:
        """The devices that a need fits best, or None while too few have room for it, those of
        machines aside that are kept for needs that are starved."""
        with self._lock:
            fitting = self._accounts.fitting(need, starved)
            if len(fitting) < need.gpus:
                return None
            devices = sorted(fitting[: need.gpus], key=lambda device: device.index)
            self._accounts.take(devices, need)
            lease = Lease(self, devices, need)
            self._leases.add(lease)
            return lease

    def release(self, lease: Lease) -> None:
        """Gives a lease's devices back; once is enough, more does no harm."""
        with self._lock:
            if lease in self._leases:
                self._leases.remove(lease)
                self._accounts.give_back(self._left(lease), lease.need)

    def _left(self, lease: Lease) -> list[Device]:
        """The devices of a lease that are still there."""
        held = {device.uuid for device in lease.devices}
        return [device for device in self.devices if device.uuid in held]


def _choose(choice: str) -> tuple[Device, ...]:
    if choice == "none":
        return ()
    if choice == "auto":
        return within(discover(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    simulated = re.fullmatch(r"(\d{1,4})(?:x(\d{1,6}))?", choice)
    if simulated is None:
        raise InvalidArgument.of(
            "EVALD_GPUS",
            f"{choice!r} is neither auto, none, a number of GPUs, nor a number and GiB as 4x24",
        )
    count, memory = (int(number or 0) for number in simulated.groups())
    return tuple(
        Device(i, f"simulated-{i}", "simulated", memory * GIB, simulated=True) for i in range(count)
    )


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
