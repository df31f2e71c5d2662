"""Loopback ports for servers that tests start."""

from __future__ import annotations

import errno
import random
import socket

PORTS = range(10_000, 32_768)
"""Below the ports that Linux gives to outgoing connections (ip_local_port_range, 32768 and up by
default): one of those could take a port between its choice here and the server's start, or while
a server that was killed starts again."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on, and that no other test process is given while
    this one lives."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as held, socket.socket() as probe:
            # As servers do: connections of one that has ended do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if _binds(held, "127.0.0.2", port) and _binds(probe, "127.0.0.1", port):
                held.detach()  # holds the port from now on
                return port
    raise RuntimeError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on 127.0.0.1")


def _binds(to: socket.socket, address: str, port: int) -> bool:
    """Whether an address has the port free, or is not there at all. Raises OSError."""
    try:
        to.bind((address, port))
    except OSError as e:
        if e.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
            raise
        return e.errno == errno.EADDRNOTAVAIL
    return True
