"""The window of requests in flight, beside an endpoint that is only simulated, in virtual time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from itertools import pairwise
from typing import Any

import pytest

from evald.clients.concurrency import NEWS_SECONDS, START, Concurrency
from evald.clients.model import ModelClients
from evald.settings import ClientSettings

PLACE = "http://model:8000"


class Timeless(selectors.DefaultSelector):
    """Skips waits, and counts them."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once."""

    def __init__(self) -> None:
        self.selector = Timeless()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.now


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


class Simulated:
    """An endpoint that takes `capacity` requests at a time and 0.1 s for each; others it refuses,
    or leaves without an answer for 1 s."""

    def __init__(self, capacity: int, *, hangs: bool = False) -> None:
        self.capacity = capacity
        self.hangs = hangs
        self.in_flight = 0
        self.refused = 0
        self.seen: list[tuple[float, int]] = []
        """When a request came or went, and how many there were then."""

    async def __call__(self) -> bool:
        self._count(1)
        taken = self.in_flight <= self.capacity
        self.refused += not taken
        try:
            await asyncio.sleep(0.1 if taken else 1.0 if self.hangs else 0.001)
        finally:
            self._count(-1)
        return taken

    def _count(self, step: int) -> None:
        self.in_flight += step
        self.seen.append((asyncio.get_running_loop().time(), self.in_flight))

    def load(self) -> tuple[float, int]:
        """Requests in flight in the second half of the time, on average and at most."""
        half, end = self.seen[-1][0] / 2, self.seen[-1][0]
        late = [(at, n) for at, n in self.seen if at >= half]
        spans = pairwise(late)
        area = sum((until - at) * n for (at, n), (until, _) in spans)
        return area / (end - late[0][0]), max(n for _, n in late)


class Job:
    """Workers that ask an endpoint until each of many samples has its answer."""

    def __init__(self, endpoint: Simulated, parallelism: int, **limit: Any) -> None:
        self.endpoint = endpoint
        self.parallelism = parallelism
        self.said: list[str] = []
        given = {"most": parallelism, "say": lambda level, text: self.said.append(text), **limit}
        self.limit = Concurrency(PLACE, **given)
        self.tries: list[int] = []

    async def work(self, samples: int) -> None:
        rows = iter(range(samples))
        async with asyncio.TaskGroup() as group:
            for _ in range(self.parallelism):
                group.create_task(self._worker(rows))

    async def _worker(self, rows: Iterator[int]) -> None:
        for _ in rows:
            tries = 0
            while True:
                number = await self.limit.enter(again=tries > 0)
                tries += 1
                try:
                    if answered := await self.endpoint():
                        self.limit.answered(number)
                    else:
                        self.limit.overloaded(number, "answers 429")
                finally:
                    self.limit.leave()
                if answered:
                    break
                await asyncio.sleep(0.01)
            self.tries.append(tries)


@pytest.mark.parametrize("hangs", [False, True], ids=["429", "hang"])
@pytest.mark.parametrize("capacity", [1, 2, 4, 10, 16, 40, 100])
def test_the_window_finds_the_capacity(capacity: int, hangs: bool) -> None:
    endpoint = Simulated(capacity, hangs=hangs)
    job = Job(endpoint, 64)
    run(job.work(40 * capacity + 400))
    assert len(job.tries) == 40 * capacity + 400
    assert max(job.tries) <= 5, "a sample starves"
    load, most = endpoint.load()
    capacity = min(capacity, 64)
    if hangs:  # what is too much takes as long as ten others, and is in flight for that long
        assert capacity / 2 <= load <= 2 * capacity
    else:
        assert capacity / 2 <= load <= capacity + 0.1
        assert most <= capacity + 1, "one more is how it knows"
    assert job.limit.in_flight == endpoint.in_flight == 0


def test_an_endpoint_that_takes_all_gets_all() -> None:
    endpoint = Simulated(64)
    job = Job(endpoint, 64)
    run(job.work(1000))
    assert max(n for at, n in endpoint.seen if at == 0) == START
    assert endpoint.load()[1] == job.limit.window == 64
    assert (endpoint.refused, job.said) == (0, [])


@pytest.mark.parametrize("parallelism", [1, 3, 16])
def test_there_are_never_more_than_parallelism(parallelism: int) -> None:
    endpoint = Simulated(1000)
    run(Job(endpoint, parallelism).work(100))
    assert max(n for _, n in endpoint.seen) == parallelism


def test_a_window_that_is_not_filled_does_not_widen() -> None:
    async def main() -> None:
        limit = Concurrency(PLACE, 64, lambda *_: None)
        for _ in range(100):
            number = await limit.enter()
            limit.answered(number)
            limit.leave()
        assert limit.window == START

    run(main())


def test_a_burst_halves_once() -> None:
    async def main() -> None:
        said: list[str] = []
        limit = Concurrency(PLACE, 16, lambda level, text: said.append(f"{level}: {text}"))
        numbers = [await limit.enter() for _ in range(16)]
        for number in numbers:
            limit.overloaded(number, "answers 429")
            limit.leave()
        assert limit.window == 8
        assert said == [f"warning: {PLACE} answers 429: 8 requests at a time instead of 16"]
        for expected in (4, 2, 1, 1):
            limit.overloaded(await limit.enter(), "answers 429")
            limit.leave()
            assert limit.window == expected
        assert len(said) == 1, "the log is told at most so often"
        limit.answered(number := await limit.enter())
        await asyncio.sleep(NEWS_SECONDS)
        assert limit.window == 2
        limit.overloaded(number, "does not answer in time", 30)
        assert said[1:] == [
            f"warning: {PLACE} does not answer in time: 1 request at a time instead of 2, after "
            "the 30 s that it asks for"
        ]

    run(main())


def test_a_pause_holds_all_and_the_longest_counts() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limit = Concurrency(PLACE, 4, lambda *_: None)
        number = await limit.enter()
        limit.overloaded(number, "answers 429", 5)
        limit.overloaded(number, "answers 429", 30)
        limit.overloaded(number, "answers 429", 1)
        limit.leave()
        turns = [asyncio.ensure_future(limit.enter()) for _ in range(4)]
        await asyncio.wait(turns, return_when=asyncio.FIRST_COMPLETED)
        assert loop.time() == pytest.approx(30)
        assert (limit.window, limit.in_flight) == (2, 2)
        for turn in turns:
            await turn
            limit.leave()
        assert loop.time() == pytest.approx(30)

    run(main())


def test_who_asks_again_goes_first_and_who_gives_up_holds_nothing() -> None:
    async def main() -> None:
        limit = Concurrency(PLACE, 1, lambda *_: None)
        await limit.enter()
        order: list[str] = []

        async def wait(name: str, *, again: bool = False) -> None:
            await limit.enter(again=again)
            order.append(name)
            limit.leave()

        first, second = asyncio.ensure_future(wait("1")), asyncio.ensure_future(wait("2"))
        gone = asyncio.ensure_future(wait("gone"))
        await asyncio.sleep(0)
        again = asyncio.ensure_future(wait("again", again=True))
        await asyncio.sleep(0)
        gone.cancel()
        limit.leave()
        again_too = asyncio.ensure_future(limit.enter())
        await asyncio.gather(first, second, again)
        assert order == ["again", "1", "2"]
        await again_too
        late = asyncio.ensure_future(limit.enter())
        await asyncio.sleep(0)
        limit.leave()  # it is late's turn, and late is told to end before it knows
        late.cancel()
        await asyncio.gather(late, gone, return_exceptions=True)
        assert limit.in_flight == 0

    run(main())


def test_clients_of_one_endpoint_share_one(settings: ClientSettings) -> None:
    models = ModelClients(settings)
    places = ["http://m:1/v1", "http://m:1/other/chat/completions", "http://m:2/v1", "https://m:1"]
    limits = [
        models.connect({"api_endpoint": {"url": url, "model_id": url}}, {"parallelism": n})._limit
        for n, url in enumerate(places, start=1)
    ]
    assert limits[0] is limits[1]
    assert len({id(limit) for limit in limits}) == 3
