"""Whether a server has seen enough to judge others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

GAP = 2 / 3
"""Of a lease: for how long at least all leases hold, since they are renewed after each third."""


class Sight:
    """How long ago the database was seen. Who did not see it for a while, because it was away, slow
    or stopped, or because this server was, cannot tell whether the others could renew their leases.
    They get a whole lease to do so, since they may notice late that it is back."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._seen_at = -math.inf
        self._clear_at = math.inf

    def saw(self) -> None:
        """The database has answered."""
        now = self._clock()
        if now - self._seen_at > GAP * self._lease_seconds:
            self._clear_at = now + self._lease_seconds
        self._seen_at = now

    @property
    def clear(self) -> bool:
        """Whether a lease that has run out is that of a server which has died."""
        return self._clock() >= self._clear_at
