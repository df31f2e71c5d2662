"""Waiting for a database or a Ray that is away, or for room on a full disk."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import structlog

from evald.errors import ResourceExhausted, Unavailable

T = TypeVar("T")

log = structlog.get_logger()

FIRST_SECONDS, LONGEST_SECONDS = 0.1, 2.0
"""Waits between tries: the first, doubled each time up to the longest."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Patience:
    """Tries a step again for as long as what it needs is away, or cannot take it.

    An outage is no fault of the job's, so no run of it is spent on one. Steps must do no harm when
    they are done twice: a connection may break after the commit.
    """

    def __init__(self) -> None:
        self._over = Event()
        self._until = math.inf

    def end(self) -> None:
        """From now on every step is tried once."""
        self._over.set()

    def limit(self, seconds: float) -> None:
        """Steps are tried again for so long at most from now on."""
        self._until = min(self._until, time.monotonic() + seconds)

    def __call__(self, step: Callable[[], T]) -> T:
        """What the step answers. Raises whatever else it raises, and, when patience is at an end,
        also Unavailable, ResourceExhausted or OSError."""
        wait, began = FIRST_SECONDS, time.monotonic()
        while True:
            try:
                answer = step()
            except (Unavailable, ResourceExhausted, OSError) as e:
                if isinstance(e, OSError) and e.errno not in FULL:
                    raise
                if wait == FIRST_SECONDS:
                    log.warning("the attempt waits", cause=str(e))
                if self._over.wait(wait) or time.monotonic() > self._until:
                    raise
                wait = min(2 * wait, LONGEST_SECONDS)
            else:
                if wait > FIRST_SECONDS:
                    waited = round(time.monotonic() - began, 1)
                    log.info("the attempt goes on", seconds=waited)
                return answer
