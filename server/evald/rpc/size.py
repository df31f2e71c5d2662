"""How large requests and answers may be. What is too large gets an error of the table: gRPC's own
would tell clients to try again, and again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from evald.errors import InvalidArgument
from evald.rpc.plain import to_message

MIB = 2**20

LEAST_ANSWER = 80 * MIB
"""Bytes of one answer, at least: samples, results and pages do not depend on what bodies may be."""

GROWTH = 6
"""Times that JSON grows at most as a message, `1,` to eleven bytes, and that a message grows at
most as JSON, where the gateway writes each of `<`, `>` and `&` with six."""

NAMES = 2 * MIB
"""Bytes for names of empty fields, which the gateway writes too, of a thousand entries."""

MOST = 2**32 - 1
"""Bytes of a limit of Envoy's."""


@dataclass(frozen=True)
class Sizes:
    """Limits, in bytes of a message unless they say otherwise."""

    body: int
    """Bytes of JSON that the gateway takes."""

    @property
    def request(self) -> int:
        """What one request may have, and what one entity may have that several requests made: what
        the gateway takes as JSON, and what framing adds."""
        return self.body * 5 // 4

    @property
    def received(self) -> int:
        """What gRPC hands on, so that what the gateway took is refused here if at all."""
        return self.body * GROWTH

    @property
    def answer(self) -> int:
        """What one answer may have. A job fits, which holds a target, a config and fields of its
        own, and so does all that is written into these when they are made."""
        return min(max(LEAST_ANSWER, 4 * self.request), (MOST - NAMES) // GROWTH)

    @property
    def request_json(self) -> int:
        """Bytes that the gateway may have of a request, which it rewrites."""
        return self.body * GROWTH

    @property
    def answer_json(self) -> int:
        """Bytes of any answer as JSON."""
        return self.answer * GROWTH + NAMES

    def check_request(self, size: int) -> None:
        """Raises InvalidArgument when a request is too large."""
        if size > self.request:
            raise InvalidArgument(
                f"the request has {_mib(size)} as a message, and may have {_mib(self.request)}; "
                "put rows into a data set instead"
            )

    def check_answer(self, request: Message, size: int) -> None:
        """Raises InvalidArgument when the answer to a request is too large to be sent."""
        if size <= self.answer:
            return
        if "page_size" not in request.DESCRIPTOR.fields_by_name:
            raise InvalidArgument(f"the answer has {self._too_much(size)}")
        if request.page_size == 1:  # type: ignore[attr-defined]
            raise InvalidArgument.of("page_size", f"this entry alone has {self._too_much(size)}")
        raise InvalidArgument.of(
            "page_size", f"this page has {self._too_much(size)}; ask for fewer entries"
        )

    def check_change(
        self,
        stored: Mapping[str, Any],
        changes: Mapping[str, Any],
        keys: Collection[str] | None,
        kind: type[Message],
    ) -> None:
        """Raises InvalidArgument when an entity is too large after a change of top-level members:
        each request may be small enough, and the entity be one that nobody can read."""
        given = set(changes if keys is None else keys)
        kept = {k: v for k, v in stored.items() if k not in given}
        new = {k: v for k, v in changes.items() if k in given}
        size = to_message({**kept, **new}, kind).ByteSize()
        if size > self.request:
            raise InvalidArgument(
                f"with this change it would have {_mib(size)}, and may have "
                f"{_mib(self.request)}; put rows into a data set instead"
            )

    def _too_much(self, size: int) -> str:
        return f"{_mib(size)}, and an answer may have {_mib(self.answer)}"


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"
