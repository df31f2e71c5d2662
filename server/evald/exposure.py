"""Where the server may listen, and what it needs for that."""

from __future__ import annotations

import ipaddress
import socket
import ssl

import structlog

from evald.errors import InvalidArgument
from evald.settings import Settings

log = structlog.get_logger()


def check(settings: Settings) -> None:
    """Raises InvalidArgument when the server would listen on another than a loopback address while
    EVALD_AUTH is not set, or when a certificate cannot be used."""
    local = is_loopback(settings.host)
    if not local and settings.auth is None:
        raise InvalidArgument.of(
            "EVALD_AUTH",
            f"others can reach {settings.host}, and everybody could do everything; set "
            "EVALD_AUTH=tokens and make a token by `evald tokens create`, or set EVALD_AUTH=none "
            "to say that this is wanted",
        )
    check_tls(settings)
    if not local and settings.tls_cert is None:
        log.warning(
            "calls and their tokens can be read on the way; set EVALD_TLS_CERT and EVALD_TLS_KEY",
            host=settings.host,
        )


def check_tls(settings: Settings) -> None:
    """Raises InvalidArgument unless the settings' certificates and key can be used."""
    cert, key, authority = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    if cert is None or key is None:
        for name in ("tls_cert", "tls_key", "tls_client_ca"):
            if getattr(settings, name) is not None:
                raise InvalidArgument.of(
                    f"EVALD_{name.upper()}", "TLS needs both EVALD_TLS_CERT and EVALD_TLS_KEY"
                )
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as e:
        raise InvalidArgument.of(
            "EVALD_TLS_CERT", f"{cert} and the key {key} cannot be used: {_cause(e)}"
        ) from e
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as e:
            raise InvalidArgument.of(
                "EVALD_TLS_CLIENT_CA", f"{authority} cannot be used: {_cause(e)}"
            ) from e


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host's addresses."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as e:
        raise InvalidArgument.of("EVALD_HOST", f"{host!r} has no address: {_cause(e)}") from e
    return all(ipaddress.ip_address(place[4][0]).is_loopback for place in found)


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
