"""The one table of errors: what each is called over gRPC and over REST."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from evald import errors

DOMAIN = "evald"


class Answer(NamedTuple):
    """How an error is told; `http` is the REST status."""

    code: grpc.StatusCode
    reason: str
    http: int
    retry_seconds: float | None = None


TABLE: dict[type[Exception], Answer] = {
    errors.InvalidArgument: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", 422),
    errors.Unauthenticated: Answer(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", 401),
    errors.PermissionDenied: Answer(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", 403),
    errors.NotFound: Answer(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", 404),
    errors.AlreadyExists: Answer(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", 409),
    errors.Conflict: Answer(grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT", 409),
    errors.ResourceExhausted: Answer(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", 429, 1.0
    ),
    errors.Unavailable: Answer(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 503, 1.0),
    errors.Uncertain: Answer(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 503),
    errors.DeadlineExceeded: Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 504),
    errors.LeaseLost: Answer(grpc.StatusCode.ABORTED, "LEASE_LOST", 409),
    errors.EvaluationError: Answer(grpc.StatusCode.INVALID_ARGUMENT, "EVALUATION_ERROR", 422),
}

MESSAGE_BYTES = 1000
FIELD_BYTES = 500
VIOLATIONS_BYTES = 2500
"""What a status holds at most: it travels in headers, of which clients take 8 KiB."""

UNEXPECTED = Answer(grpc.StatusCode.INTERNAL, "INTERNAL", 500)
UNEXPECTED_MESSAGE = "evald failed to answer; its log has the cause under this request id"


def to_status(error: Exception) -> status_pb2.Status:
    """The rich status of an error. What is not in the table says nothing of its cause; what is too
    long is cut."""
    answer = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), UNEXPECTED)
    message = error.message if isinstance(error, errors.EvaldError) else UNEXPECTED_MESSAGE
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=answer.reason, domain=DOMAIN, metadata={"http_status": str(answer.http)}
        )
    ]
    if isinstance(error, errors.InvalidArgument) and error.violations:
        details.append(_bad_request(error.violations))
    if answer.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(answer.retry_seconds * 1000))
        details.append(retry)
    return status_pb2.Status(
        code=code_pb2.Code.Value(answer.code.name),
        message=_cut(message, MESSAGE_BYTES),
        details=map(_pack, details),
    )


def _bad_request(violations: Iterable[errors.Violation]) -> error_details_pb2.BadRequest:
    """As many violations as there is room for."""
    bad = error_details_pb2.BadRequest()
    for violation in violations:
        bad.field_violations.add(
            field=_cut(violation.field, FIELD_BYTES),
            description=_cut(violation.message, MESSAGE_BYTES),
        )
        if bad.ByteSize() > VIOLATIONS_BYTES:
            del bad.field_violations[-1]
            break
    return bad


def _cut(text: str, size: int) -> str:
    """The beginning of a text, in at most `size` bytes of UTF-8; half a surrogate pair, which has
    no UTF-8, becomes a question mark."""
    data = text.encode(errors="replace")
    if len(data) > size:
        return data[: size - 3].decode(errors="ignore") + "…"
    return data.decode()


def _pack(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
