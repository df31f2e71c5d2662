"""How many requests an endpoint gets at a time."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress

START = 32
"""Requests in flight at first, at most: twice the usual `parallelism`, and a round away from 64."""

NEWS_SECONDS = 10.0
"""Between two lines of the log, at least."""

Say = Callable[[str, str], None]
"""Writes a line into the log of a job: its level and its text."""


class Concurrency:
    """The window of requests in flight to one endpoint, which finds out how many that takes.

    Additive increase and multiplicative decrease (Chiu and Jain, "Analysis of the Increase and
    Decrease Algorithms for Congestion Avoidance", 1989), in the form of TCP Reno (RFC 5681): every
    answer widens the window by one until the endpoint is first overloaded, later by one a round;
    each overload halves it. As in RFC 6582 a round halves once: when requests are refused that
    were sent before the last halving, that says nothing new. A window that is not filled does not
    widen (RFC 7661).

    All clients of an endpoint share one, on one event loop. Whoever has entered must leave.
    """

    def __init__(self, place: str, most: int, say: Say) -> None:
        self._place = place
        self._most = most
        self._say = say
        self._window = float(min(most, START))
        self._threshold = math.inf
        self._in_flight = 0
        self._entered = 0
        self._halved_at = 0
        self._resumes_at = 0.0
        self._silent_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def window(self) -> int:
        """Requests that may be in flight now, from 1 to `most`."""
        return int(self._window)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def allow(self, most: int) -> None:
        """Raises the bound of the window."""
        self._most = max(self._most, most)

    async def enter(self, *, again: bool = False) -> int:
        """Waits until a request may be sent, and answers its number. One that is sent `again` goes
        before those that have not been sent yet."""
        if self._waiting or self._in_flight >= self.window or self._resumes_at:
            turn = asyncio.get_running_loop().create_future()
            (self._waiting.appendleft if again else self._waiting.append)(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    with suppress(ValueError):
                        self._waiting.remove(turn)
                else:
                    self.leave()
                raise
        else:
            self._in_flight += 1
        self._entered += 1
        return self._entered

    def leave(self) -> None:
        """A request is over, however it ended."""
        self._in_flight -= 1
        if self._waiting:
            self._admit()

    def answered(self, number: int) -> None:
        """The request of that number, which has not left yet, got its answer."""
        if number > self._halved_at and self._in_flight >= self.window < self._most:
            step = 1.0 if self._window < self._threshold else 1.0 / self._window
            self._window = min(self._window + step, float(self._most))

    def overloaded(self, number: int, why: str, pause: float = 0.0) -> None:
        """The request of that number was too much. Nothing is sent for `pause` seconds."""
        if pause > 0:
            self._pause(pause)
        if number > self._halved_at:
            self._halved_at = self._entered
            before = self.window
            self._threshold = self._window = max(self._window / 2, 1.0)
            self._tell(before, why, pause)

    def _admit(self) -> None:
        while self._waiting and not self._resumes_at and self._in_flight < self.window:
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        moment = loop.time() + seconds
        if moment > self._resumes_at:
            self._resumes_at = moment
            loop.call_at(moment, self._resume, moment)

    def _resume(self, moment: float) -> None:
        if moment == self._resumes_at:
            self._resumes_at = 0.0
            self._admit()

    def _tell(self, before: int, why: str, pause: float) -> None:
        now = asyncio.get_running_loop().time()
        if self.window == before or now < self._silent_until:
            return
        self._silent_until = now + NEWS_SECONDS
        requests = "request" if self.window == 1 else "requests"
        later = f", after the {pause:g} s that it asks for" if pause >= 1 else ""
        text = f"{self._place} {why}: {self.window} {requests} at a time instead of {before}{later}"
        self._say("warning", text)
