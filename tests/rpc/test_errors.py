"""The table of errors, and what a status may hold."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2, error_details_pb2

from evald.errors import InvalidArgument, NotFound, Violation
from evald.rpc.errors import to_status
from tests.rpc.calls import detail

HEADERS = 8192
"""Bytes of headers that clients take."""


@pytest.mark.parametrize("text", ["x" * 10**6, "é" * 10**6, "\U0001f600" * 10**6, "%\n" * 10**6])
def test_a_status_fits_into_headers_however_long_its_text(text: str) -> None:
    violations = [Violation(f"tasks.{text}", text), *[Violation("name", "short")] * 1000]
    for error in (
        NotFound(text),
        InvalidArgument(text, violations),
        InvalidArgument.of(text, text),
    ):
        status = to_status(error)
        assert status.message.startswith(text[:20])
        assert status.message.endswith("…")
        # Once percent-encoded, once in base 64.
        message = sum(3 if b < 32 or b > 126 or b == 37 else 1 for b in status.message.encode())
        assert message + status.ByteSize() * 4 / 3 < HEADERS


def test_the_first_violations_are_told() -> None:
    violations = [Violation(f"tasks.t{n}.type", "no such type") for n in range(1000)]
    bad = detail(to_status(InvalidArgument("wrong", violations)), error_details_pb2.BadRequest)
    fields = [violation.field for violation in bad.field_violations]
    assert len(fields) > 20
    assert fields == [violation.field for violation in violations[: len(fields)]]


def test_half_a_surrogate_pair_in_a_text_is_no_unexpected_error() -> None:
    status = to_status(InvalidArgument.of("\ud800", "\udc00"))
    assert (status.code, status.message) == (code_pb2.INVALID_ARGUMENT, "?: ?")
