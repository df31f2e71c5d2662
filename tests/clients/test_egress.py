"""The egress policy: no spelling of a forbidden place opens a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import aiohttp
import pytest

from evald.clients.datasets import FileDatasets
from evald.clients.egress import Egress, VettingResolver, literal
from evald.clients.model import ModelClients
from evald.clients.web import guarded_client
from evald.errors import EvaluationError, InvalidArgument
from evald.settings import ClientSettings
from tests.endpoint import Endpoint

METADATA = IPv4Address("169.254.169.254")


def spellings(address: IPv4Address) -> Iterator[str]:
    """Ways to write an IPv4 address that something, somewhere, takes for it."""
    a, b, c, d = address.packed
    number = int(address)
    yield from {
        f"{a}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d}.",
        f"{a}.{b}.{c * 256 + d}",
        f"{a}.{number & 0xFFFFFF}",
        str(number),
        hex(number),
        hex(number).upper().replace("X", "x"),
        f"0{number:o}",
        f"000000{number:o}",
        ".".join(hex(part) for part in (a, b, c, d)),
        ".".join(f"0{part:o}" for part in (a, b, c, d)),
        ".".join(f"0000{part:o}" for part in (a, b, c, d)),
        f"{a:#x}.{b}.0{c:o}.{d}",
        f"{a}.{b:#x}.{c * 256 + d}",
        f"0{a:o}.{number & 0xFFFFFF:#x}",
        f"[::ffff:{address}]",
        f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[0:0:0:0:0:ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[64:ff9b:1::{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
        f"[2001:0:1:2:3:4:{~number >> 16 & 0xFFFF:x}:{~number & 0xFFFF:x}]",
        str(address).translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
        str(address).replace(".", "。"),
        str(address).replace(".", "%2e"),
        str(address).replace("1", "①"),
    }


HOSTS = sorted(
    {
        *spellings(METADATA),
        *spellings(IPv4Address("100.100.100.200")),
        *spellings(IPv4Address("0.0.0.0")),
        *spellings(IPv4Address("169.254.170.2")),
        *spellings(IPv4Address("168.63.129.16")),
        *spellings(IPv4Address("239.255.255.250")),
        *("169.254.0.1", "168.63.129.16", "192.0.0.192", "0", "0.0.0.7"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("[fe80::1]", "[fe80::1%25eth0]", "[febf::1]", "[fec0::1]", "[ff02::1]", "[::]"),
        *("[fd00:ec2::254]", "[fd00:0ec2:0:0:0:0:0:254]", "[fd20:ce::254]", "[0:0::0]"),
        *("metadata", "metadata.google.internal", "METADATA.google.internal."),
        *("metadata.azure.internal", "instance-data", "metadata.goog"),
        *("user@127.0.0.1", "user:pw@127.0.0.1", "@127.0.0.1", ":@127.0.0.1"),
        *("127.0.0.1@169.254.169.254", "127.0.0.1%40169.254.169.254"),
        *("127.0.0.1\\@169.254.169.254", "127.0.0.1#@169.254.169.254", "", " ", "[", "[]"),
        *("127.0.0.1 .example", "exa mple", "a..b", "a:b:c", "host:99999", "host:-1"),
    }
)

URLS = [
    *(f"http://{host}/v1" for host in HOSTS),
    *(f"https://{METADATA}/", "HTTP://169.254.169.254/", "http:169.254.169.254", "http:/x"),
    *("file:///etc/passwd", "gopher://127.0.0.1:70/_x", "ftp://127.0.0.1/", "dict://127.0.0.1/"),
    *("ldap://127.0.0.1/", "jar:http://127.0.0.1!/", "data:text/plain,x", "unix:///run/x.sock"),
    *("ws://127.0.0.1/", "//169.254.169.254/", "169.254.169.254", "javascript:1", "", "http://"),
    *("http+unix://%2frun%2fx/", "\thttp://169.254.169.254", "http://169.254.169.254:80/"),
]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses that a socket tried to connect to."""
    seen: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        seen.append(address)
        raise ConnectionRefusedError(111, "spied")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", lambda s, a: seen.append(a) or 111)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that resolve to what a test says; addresses resolve as they do, other names do not."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host: str | bytes | None, *args: Any, **more: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name in known:
            answer = known[name]
            address = answer.pop(0) if len(answer) > 1 else answer[0]
            return list(real(address, *args, **more))
        if literal(name) is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def outcome(settings: ClientSettings, url: str) -> EvaluationError:
    async def run() -> None:
        params = {"max_retries": 0, "request_timeout": 5}
        async with ModelClients(settings).open({"api_endpoint": {"url": url}}, params) as client:
            await client.ask({"prompt": "x"})

    with pytest.raises(EvaluationError) as caught:
        asyncio.run(run())
    return caught.value


def test_the_corpus_is_large() -> None:
    assert len(URLS) >= 200


@pytest.mark.parametrize("url", URLS)
def test_forbidden_places_get_no_connection(
    settings: ClientSettings, opened: list[Any], names: dict[str, list[str]], url: str
) -> None:
    error = outcome(settings, url)
    # A spelling that no resolver takes for an address is a name that cannot be resolved.
    assert error.kind in ("request", "connection", "model"), error.message
    assert "connection refused" not in error.message
    with pytest.raises(EvaluationError) as caught:
        next(FileDatasets(settings).rows({"files_url": url}))
    assert caught.value.kind == "dataset"
    hub = {"files_url": "hf://datasets/a/b", "hf_endpoint": url}
    if url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.sleep", lambda seconds: None)
            with pytest.raises(EvaluationError) as caught:
                next(FileDatasets(settings).rows(hub))
        assert caught.value.kind == "dataset"
    assert opened == []


@pytest.mark.parametrize(
    "addresses",
    [["169.254.169.254"], ["fe80::1"], ["::ffff:169.254.169.254"], ["0.0.0.0"], ["224.0.0.1"]],
)
def test_names_that_lead_there_get_no_connection(
    settings: ClientSettings,
    opened: list[Any],
    names: dict[str, list[str]],
    addresses: list[str],
) -> None:
    names["innocent.example"] = addresses
    error = outcome(settings, "http://innocent.example/v1")
    assert error.kind == "request"
    assert "innocent.example (" in error.message
    with pytest.raises(EvaluationError, match="egress policy"):
        guarded_client(Egress()).get("http://innocent.example/")
    assert opened == []


def test_a_name_that_changes_its_address_is_judged_when_it_is_used(
    settings: ClientSettings, opened: list[Any], names: dict[str, list[str]]
) -> None:
    names["rebinding.example"] = ["127.0.0.1", "169.254.169.254"]

    async def run() -> None:
        resolver = VettingResolver(Egress())
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get("http://rebinding.example:9/")
            with pytest.raises(EvaluationError, match="egress policy"):
                await session.get("http://rebinding.example:9/")

    asyncio.run(run())
    assert [address[0] for address in opened] == ["127.0.0.1"]


def test_one_bad_address_among_good_ones_is_refused() -> None:
    egress = Egress()
    egress.address("10.0.0.1", "host")
    with pytest.raises(EvaluationError):
        egress.address("169.254.169.254", "host")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000",
        "http://[::1]:8000/v1",
        "http://10.1.2.3/v1",
        "http://192.168.0.7/",
        "http://172.16.0.1:1/x",
        "http://[fd12::1]/",
        "https://integrate.api.nvidia.com/v1",
        "https://bücher.example/v1",
        "http://nim:8000/v1/chat/completions",
        "http://model_server:8000/v1",
    ],
)
def test_private_networks_and_the_world_are_open(url: str) -> None:
    assert str(Egress().url(url)).startswith(("http://", "https://"))


ALLOWED = ("nim", "*.corp.example", "10.0.0.0/8", "192.168.1.5", "fd00::/8")


@pytest.mark.parametrize(
    ("host", "addresses", "reached"),
    [
        ("nim", ["203.0.113.1"], True),
        ("NIM.", ["203.0.113.1"], True),
        ("a.corp.example", ["203.0.113.1"], True),
        ("a.b.corp.example", ["203.0.113.1"], True),
        ("other", ["10.9.9.9"], True),
        ("10.1.1.1", [], True),
        ("192.168.1.5", [], True),
        ("[fd00::7]", [], True),
        ("[::ffff:10.1.1.1]", [], True),
        ("corp.example", ["203.0.113.1"], False),
        ("evilcorp.example", ["203.0.113.1"], False),
        ("nim.evil.example", ["203.0.113.1"], False),
        ("127.0.0.1", [], False),
        ("192.168.1.6", [], False),
        ("[::ffff:11.1.1.1]", [], False),
        ("nim", ["169.254.169.254"], False),
        ("[fd00:ec2::254]", [], False),
    ],
)
def test_egress_narrows(
    settings: ClientSettings,
    opened: list[Any],
    names: dict[str, list[str]],
    host: str,
    addresses: list[str],
    reached: bool,
) -> None:
    if addresses:
        names.update(dict.fromkeys((host, host.lower(), host.lower().rstrip(".")), addresses))
    error = outcome(settings.model_copy(update={"egress": ALLOWED}), f"http://{host}:8000/v1")
    assert bool(opened) == reached, error.message
    assert error.kind == ("connection" if reached else "request")


@pytest.mark.parametrize("entry", ["http://x", "a b", "", "10.0.0.0/99", "*", "x/y"])
def test_entries_that_mean_nothing(entry: str) -> None:
    with pytest.raises(InvalidArgument, match="EVALD_EGRESS"):
        Egress([entry])


def test_an_allowed_endpoint_answers(settings: ClientSettings) -> None:
    settings = settings.model_copy(update={"egress": ("127.0.0.0/8",)})
    with Endpoint() as endpoint:

        async def run() -> str:
            model = {"api_endpoint": {"url": endpoint.url.replace("127.0.0.1", "localhost")}}
            async with ModelClients(settings).open(model, {}) as client:
                return (await client.ask({"prompt": "x"})).text

        if any(f[4][0] == "::1" for f in socket.getaddrinfo("localhost", 0)):
            pytest.skip("localhost is ::1 too, which is not allowed here")
        assert asyncio.run(run()) == "x"


def test_international_names() -> None:
    egress = Egress(["xn--bcher-kva.example"])
    for url in ("http://xn--bcher-kva.example/v1", "http://bücher.example/v1"):
        assert egress.url(url).raw_host == "xn--bcher-kva.example"
