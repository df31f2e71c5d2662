"""When to try again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED = frozenset({408, 409, 425, 429})
"""Statuses that may pass, besides every 5xx."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between tries, in seconds: a random part of `base * 2**n`, at most `cap`, so that
    clients that failed together do not come back together. Retry-After is honoured up to
    `after_cap`."""

    base: float = 0.5
    cap: float = 30.0
    after_cap: float = 60.0
    random: Callable[[], float] = random.SystemRandom().random

    def wait(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failed tries (1 for the first)."""
        spread: float = min(self.cap, self.base * 2.0 ** min(failures - 1, 32)) * self.random()
        if retry_after is None:
            return spread
        return self.pause(retry_after) + min(spread, self.base)

    def pause(self, retry_after: float | None) -> float:
        """Seconds of a Retry-After that are honoured."""
        return min(retry_after or 0.0, self.after_cap)


def passing(status: int) -> bool:
    """Whether a status may be another one on the next try."""
    return status >= 500 or status in RETRIED


def retry_after(header: str | None, now: Callable[[], datetime] | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None if it says
    nothing that can be read."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
            current = now() if now else datetime.now(UTC)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - current).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None
