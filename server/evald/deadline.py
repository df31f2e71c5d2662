"""How long the call that this thread answers may still take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from evald.errors import DeadlineExceeded

_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Gives the block so much time. Raises DeadlineExceeded at its beginning when there is none."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        remaining(seconds)
        yield
    finally:
        _ends.reset(token)


def remaining(default: float) -> float:
    """Seconds that are left, `default` where there is no deadline. Raises DeadlineExceeded."""
    ends = _ends.get()
    if ends is None:
        return default
    left = ends - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded
    return left
