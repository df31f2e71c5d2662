"""The system calls that a program in the sandbox may not make.

Namespaces keep it from others already. This takes away what would be memory that no limit counts
(System V and anonymous files), ways that pass namespaces by (kernel keys, sockets to the host of a
virtual machine), and those parts of the kernel that no test needs and that are often attacked.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterator

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
"""What a filter returns."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions of a filter."""

NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in what a filter sees of a call."""

NAMESPACES = 0x7E020000
"""Flags of `clone` that make namespaces."""

FAMILIES = (1, 2, 10, 16)
"""Sockets that may be made: local, IPv4, IPv6 and netlink; all of them are the sandbox's own."""

X32 = 0x40000000
"""Calls of another ABI of x86-64, where they have other numbers."""

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

CALLS = {
    # name: number on x86_64, on aarch64
    "add_key": (248, 217),
    "bpf": (321, 280),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setns": (308, 268),
    "shmget": (29, 194),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
CLONE, CLONE3, SOCKET = (56, 220), (435, 435), (41, 198)


def filter_of(machine: str = platform.machine()) -> bytes | None:
    """The compiled filter for a kind of machine; None for one whose calls are not known here."""
    if machine not in AUDIT:
        return None
    column = list(AUDIT).index(machine)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _rules(machine, column))


def _rules(machine: str, column: int) -> Iterator[tuple[int, int, int, int]]:
    """Instructions: code, how many to skip when it is so and when not, and a number."""
    yield LOAD, 0, 0, ARCHITECTURE
    yield EQUAL, 1, 0, AUDIT[machine]
    yield RETURN, 0, 0, KILL
    yield LOAD, 0, 0, NUMBER
    if machine == "x86_64":
        yield AT_LEAST, 0, 1, X32
        yield RETURN, 0, 0, ERRNO | ENOSYS
    for numbers in CALLS.values():
        yield EQUAL, 0, 1, numbers[column]
        yield RETURN, 0, 0, ERRNO | EPERM
    # Its flags are in memory, where a filter cannot look; C libraries then take `clone`.
    yield EQUAL, 0, 1, CLONE3[column]
    yield RETURN, 0, 0, ERRNO | ENOSYS
    yield EQUAL, 0, 4, CLONE[column]
    yield LOAD, 0, 0, FIRST_ARGUMENT
    yield ANY_BIT, 0, 1, NAMESPACES
    yield RETURN, 0, 0, ERRNO | EPERM
    yield RETURN, 0, 0, ALLOW
    yield EQUAL, 0, len(FAMILIES) + 3, SOCKET[column]
    yield LOAD, 0, 0, FIRST_ARGUMENT
    for i, family in enumerate(FAMILIES):
        yield EQUAL, len(FAMILIES) - i, 0, family
    yield RETURN, 0, 0, ERRNO | EAFNOSUPPORT
    yield RETURN, 0, 0, ALLOW
    yield RETURN, 0, 0, ALLOW
