"""Sends bytes to methods, and says what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.fuzz.methods import Method

SECONDS = 20.0
"""Time that any call gets; one that takes all of it hangs."""

WATCH_SECONDS = 0.3
"""Time that a watch gets, which lasts as long as its job."""

OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

Code = grpc.StatusCode

FINE = frozenset(
    {
        Code.OK,
        Code.INVALID_ARGUMENT,
        Code.NOT_FOUND,
        Code.ALREADY_EXISTS,
        Code.FAILED_PRECONDITION,
    }
)
"""What the server may say of any message."""

ALSO_FINE = {
    "WatchJob": frozenset({Code.DEADLINE_EXCEEDED}),  # it goes on until its job has ended
    # all its slots are taken, or it took longer than EVALD_LIVE_SECONDS
    "EvaluateLive": frozenset({Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED}),
}

CLIENTS_OWN = frozenset({Code.DEADLINE_EXCEEDED})
"""What a client says by itself."""


@dataclass
class Outcome:
    """What came of one call. `wrong` says what is not as it should be."""

    code: grpc.StatusCode
    seconds: float
    details: str = ""
    answers: list[bytes] = field(default_factory=list)
    wrong: str = ""


class Caller:
    """Calls methods with bytes as they are. Safe to use from several threads."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, options=OPTIONS)

    def call(self, method: Method, request: bytes) -> Outcome:
        watches = method.name == "WatchJob"
        timeout = WATCH_SECONDS if watches else SECONDS
        answers: list[bytes] = []
        started = time.monotonic()
        try:
            if method.streams:
                answers.extend(self._channel.unary_stream(method.path)(request, timeout=timeout))
            else:
                answers.append(self._channel.unary_unary(method.path)(request, timeout=timeout))
        except grpc.RpcError as e:
            outcome = Outcome(e.code(), time.monotonic() - started, e.details() or "", answers)
            if outcome.code not in FINE | ALSO_FINE.get(method.name, frozenset()):
                outcome.wrong = f"{outcome.code.name} is no answer to a message"
            elif method.is_ours and outcome.code not in CLIENTS_OWN and not says_why(e):
                outcome.wrong = "the error does not say what it is about"
            return outcome
        return Outcome(Code.OK, time.monotonic() - started, "", answers)

    def close(self) -> None:
        self._channel.close()


def says_why(error: grpc.RpcError) -> bool:
    """Whether an error has a text, and an ErrorInfo of evald's."""
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    return (
        bool(error.details())
        and status is not None
        and any(packed.Unpack(info) and info.domain == "evald" for packed in status.details)
    )
