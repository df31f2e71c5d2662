"""Where connections may go: a policy on URLs, and on the addresses that they lead to.

Names are judged when a URL is given and addresses when a connection is made, so neither an odd
spelling of an address nor a name that changes its address between two look-ups gets around it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from evald.errors import EvaluationError, InvalidArgument

Address = IPv4Address | IPv6Address

NEVER = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host, by another name
        "169.254.0.0/16",  # link-local, with the metadata services of most clouds
        "100.100.100.200/32",  # metadata: Alibaba
        "168.63.129.16/32",  # metadata: Azure
        "192.0.0.192/32",  # metadata: Oracle
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::/32",  # metadata: AWS
        "fd20:ce::254/128",  # metadata: Google
        "ff00::/8",
    )
)
"""Networks that no setting opens."""

NEVER_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "instance-data",
        "instance-data.ec2.internal",
    }
)

NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Egress:
    """The policy. `allowed` are host names, `*.suffix` and networks; empty allows all but NEVER.

    Raises InvalidArgument when an entry is none of these.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._networks = []
        self._hosts = set()
        self._suffixes = []
        for entry in allowed:
            text = entry.strip().lower().rstrip(".")
            if text.startswith("*."):
                self._suffixes.append(text[1:])
                continue
            try:
                self._networks.append(ip_network(text.strip("[]"), strict=False))
            except ValueError:
                if not text or not set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._"):
                    raise InvalidArgument.of(
                        "EVALD_EGRESS", f"{entry!r} is not a host name, *.suffix or network"
                    ) from None
                self._hosts.add(text)

    @property
    def _open(self) -> bool:
        return not (self._networks or self._hosts or self._suffixes)

    def url(self, url: str) -> URL:
        """A URL that may be asked for. Raises EvaluationError of kind `request`."""
        try:
            parsed = URL(url)
            host, _ = parsed.raw_host, parsed.port
        except ValueError as e:
            raise _refused(f"the URL cannot be read: {e}") from e
        if parsed.scheme not in ("http", "https"):
            raise _refused(f"the URL must begin with http:// or https://, not {parsed.scheme!r}")
        if not host or any(c.isspace() or c in '\\%"<>^`{|}' for c in host):
            raise _refused("the URL names no host")
        if "@" in re.split(r"[/?#]", url.partition("://")[2])[0]:
            raise _refused("the URL must not hold a user or password; use api_key")
        if "#" in url:
            raise _refused("the URL must not hold a '#'")
        name = host.lower().rstrip(".")
        if name in NEVER_NAMES:
            raise _refused(f"{name} is a metadata service")
        address = literal(name)
        if address is not None:
            self.address(address, name)
        elif not self._open and not self._named(name) and not self._networks:
            raise _refused(f"{name} is not among the hosts in EVALD_EGRESS")
        return parsed

    def address(self, address: str | Address, host: str) -> None:
        """Checks an address that `host` has led to. Raises EvaluationError of kind `request`."""
        if isinstance(address, str):
            address = ip_address(address.partition("%")[0])
        forms = _forms(address)
        if any(form in network for form in forms for network in NEVER):
            raise _refused(
                f"{_shown(host, address)} is link-local, a metadata service, multicast or reserved"
            )
        if self._open or self._named(host.lower().rstrip(".")):
            return
        if not any(forms[-1] in network for network in self._networks):
            raise _refused(f"{_shown(host, address)} is not in EVALD_EGRESS")

    def addresses(self, host: str, port: int) -> list[Any]:
        """What `socket.getaddrinfo` finds for a host, every address checked. May raise OSError."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, sockaddr in found:
            self.address(str(sockaddr[0]), host)
        return found

    def _named(self, name: str) -> bool:
        return name in self._hosts or any(name.endswith(s) for s in self._suffixes)


class VettingResolver(ThreadedResolver):
    """Resolves names for aiohttp and refuses addresses outside the policy.

    aiohttp connects to the very addresses that come out of here, and asks no resolver for a
    literal address: those `Egress.url` has judged.
    """

    def __init__(self, egress: Egress) -> None:
        super().__init__()
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for result in found:
            self._egress.address(result["host"], host)
        return found


def literal(host: str) -> Address | None:
    """The address that a host is a spelling of: dotted, decimal, octal, hexadecimal or IPv6."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        # What the C library takes for an address (`0x7f.1`, `017700000001`), it connects to.
        return IPv4Address(socket.inet_aton(host)) if host and " " not in host else None
    except (OSError, ValueError):
        return None


def _forms(address: Address) -> list[Address]:
    """An address, and last the IPv4 address that it carries, if any."""
    forms: list[Address] = [address]
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        compatible = int(address) < 2**32 and int(address) > 0xFFFF
        if inner is None and (compatible or any(address in n for n in NAT64)):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            forms.append(inner)
    return forms


def _shown(host: str, address: Address) -> str:
    return host if literal(host) == address else f"{host} ({address})"


def _refused(reason: str) -> EvaluationError:
    return EvaluationError("request", f"refused by the egress policy: {reason}")
