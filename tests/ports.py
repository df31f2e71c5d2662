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
        try:
            _hold(port)
            with socket.socket() as probe:
                # As servers do: connections of one that has ended do not count.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise
        else:
            return port
    raise RuntimeError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on 127.0.0.1")


def _hold(port: int) -> None:
    """Holds a port until this process ends, by the same one of another loopback address; not where
    there is none. Raises OSError."""
    held = socket.socket()
    try:
        held.bind(("127.0.0.2", port))
    except OSError as e:
        held.close()
        if e.errno != errno.EADDRNOTAVAIL:
            raise
    else:
        held.detach()
