"""Bytes that are no message, or hardly one, for methods and for whoever listens on a port."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.known import Known
from tests.fuzz.messages import requests
from tests.fuzz.methods import Method

Edit = tuple[str, float, bytes]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS_FRAME = b"\0\0\0\4\0\0\0\0\0"

EDITS = st.lists(
    st.tuples(
        st.sampled_from(("set", "insert", "cut", "repeat", "end")),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


def altered(methods: Sequence[Method], known: Known) -> st.SearchStrategy[tuple[Method, bytes]]:
    """Bytes for methods: any, those of messages with some changed, of another method's message, or
    of fields inside one another without end."""
    method = st.sampled_from(list(methods))
    sent = requests(methods, known).map(lambda found: (found[0], found[1].SerializeToString()))
    return st.one_of(
        st.builds(lambda found, edits: (found[0], edited(found[1], edits)), sent, EDITS),
        st.builds(lambda found, edits: (found[0], edited(found[1], edits)), sent, EDITS),
        st.builds(lambda other, found: (other, found[1]), method, sent),
        st.tuples(method, st.binary(max_size=300)),
        st.tuples(
            method, st.builds(nested, st.binary(min_size=1, max_size=4), st.integers(1, 400))
        ),
    )


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Some bytes with changes, each at a place from 0 to 1."""
    for what, place, given in edits:
        at = int(place * len(data))
        match what:
            case "set":
                data = data[:at] + given + data[at + len(given) :]
            case "insert":
                data = data[:at] + given + data[at:]
            case "cut":
                data = data[:at] + data[at + len(given) :]
            case "repeat":
                data = data[:at] + data[at : at + 64] * len(given) + data[at:]
            case "end":
                data = data[:at]
    return data


def nested(numbers: bytes, levels: int) -> bytes:
    """Fields with these numbers, in turn, each the only one of that around it."""
    data = b""
    for level in range(levels):
        number = numbers[level % len(numbers)] % 15 + 1
        data = bytes([number << 3 | 2]) + varint(len(data)) + data
    return data


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2, of a kind that may not exist."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


FRAMES = st.lists(
    st.builds(
        frame,
        st.integers(0, 10) | st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 5) | st.integers(0, 2**32 - 1),
        st.binary(max_size=64),
    ),
    max_size=8,
).map(b"".join)

CONVERSATIONS = st.one_of(
    st.binary(max_size=200),
    FRAMES.map(lambda frames: PREFACE + frames),
    FRAMES.map(lambda frames: PREFACE + SETTINGS_FRAME + frames),
    st.binary(max_size=100).map(lambda data: PREFACE + SETTINGS_FRAME + data),
    st.binary(max_size=100).map(lambda data: b"POST /v1/evaluation/jobs HTTP/1.1\r\n" + data),
)
"""What a client may say on a port that has not learnt to speak HTTP."""


def talk(address: tuple[str, int], said: bytes) -> None:
    """Says something on a port, listens for a moment, and hangs up. Raises ConnectionRefusedError
    when nobody listens."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.settimeout(0.02)
        with contextlib.suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            connection.sendall(said)
            while connection.recv(2**16):
                pass
