"""The blocking HTTP client for data: it connects only where the egress policy allows."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from evald.clients.egress import Egress

TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
"""Seconds without a byte, and seconds to connect."""


def guarded_client(egress: Egress, *, follow_redirects: bool = False) -> httpx2.Client:
    """A client that checks every URL, those it is redirected to as well, and every address.

    A refusal is raised as an EvaluationError of kind `request`.
    """

    def check(request: httpx2.Request) -> None:
        egress.url(str(request.url))

    transport = httpx2.HTTPTransport()
    # httpx has no parameter for httpcore's backend, which is where addresses can be checked.
    transport._pool = httpcore2.ConnectionPool(
        ssl_context=httpx2.create_ssl_context(), network_backend=VettingBackend(egress)
    )
    return httpx2.Client(
        transport=transport,
        event_hooks={"request": [check]},
        follow_redirects=follow_redirects,
        timeout=TIMEOUT,
        trust_env=False,
    )


class VettingBackend(httpcore2.SyncBackend):
    """Connects to checked addresses, never to a name that could mean another one by then."""

    def __init__(self, egress: Egress) -> None:
        super().__init__()
        self._egress = egress

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = self._egress.addresses(host, port)
        except socket.gaierror as e:
            raise httpcore2.ConnectError(f"the name {host} cannot be resolved") from e
        *others, last = [str(address) for *_, (address, *_) in found]
        for address in others:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return super().connect_tcp(last, port, timeout, local_address, socket_options)
