"""Evaluates the rows of a task: asks, scores, counts and reports each, many at once."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from evald.errors import EvaluationError
from evald.flows.flow import FlowContext, SampleRecord
from evald.flows.scoreboard import USAGE, Scoreboard, Scoring
from evald.flows.usage import numbers_of
from evald.model import Row
from evald.statistics import CLUSTER
from evald.tasks import together
from evald.templates import context_of, text_of, with_answer

Answer = Callable[[Row, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Gives the `sample` of a row: `{"output_text", "response"}`, or None where there is no model. It
gets the row and what templates see of it."""

PATIENCE = 8
"""When so many first samples, or all that are in flight if that is more, cannot reach the endpoint,
the others are not tried."""

UNREACHED = frozenset({"connection", "tls", "timeout"})
"""Kinds of error of an endpoint that has never answered."""

YIELD_EVERY = 64
"""Rows scored without a model between two turns of the event loop."""

TRACE_LINES = 50
"""Of a bug that a sample met."""


class Work(Protocol):
    """A task, ready to run. `count` is how many samples it evaluates."""

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int: ...

    async def evaluate(self, context: FlowContext, progress: Progress) -> dict[str, Any]:
        """Answers the task's result. Raises EvaluationError."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task that evaluates each row. `count` is its number of rows, `rows` reads them anew.
    `cluster` is the field of rows that belong together, by which errors are reckoned."""

    name: str
    count: int
    rows: Callable[[], Iterator[Row]]
    answer: Answer
    scoreboard: Scoreboard
    parallelism: int = 1
    cluster: str | None = None

    async def evaluate(self, context: FlowContext, progress: Progress) -> dict[str, Any]:
        """Raises EvaluationError when the rows cannot be read, or not one of them evaluated."""
        await Evaluation(self, context, progress).run()
        result = self.scoreboard.result(self.name)
        if said := self.scoreboard.complaint:
            context.emit.log("warning", f"task {self.name}: {said}")
        return result


async def no_answer(row: Row, seen: Mapping[str, Any]) -> None:
    """The answer where there is no model."""


async def evaluate(tasks: Sequence[Work], context: FlowContext) -> dict[str, Any]:
    """Runs tasks one after the other and answers the results by task.

    Raises EvaluationError when a data set cannot be read, or no sample of a task can be evaluated.
    """
    progress = Progress(sum(task.count for task in tasks), context)
    results = {}
    for task in tasks:
        context.emit.task(task.name, "running")
        try:
            results[task.name] = await task.evaluate(context, progress)
        except Exception:
            context.emit.task(task.name, "failed")
            raise
        context.emit.task(task.name, "completed")
    return results


class Progress:
    """Counts the samples of the whole job, and what else is done for it."""

    def __init__(self, total: int, context: FlowContext) -> None:
        self._total = total
        self._context = context
        self._done = 0
        self._others = 0

    def step(self) -> None:
        """A sample is done."""
        self._done += 1
        self._say()

    def advance(self, count: int) -> None:
        """So many of what are no samples are done."""
        self._others += count
        self._say()

    def _say(self) -> None:
        self._context.emit.progress(self._done, self._total, self._others)


class Evaluation:
    """One task under way. Its workers share one iterator over the rows, so that no more rows are in
    memory than are in flight."""

    def __init__(self, task: Task, context: FlowContext, progress: Progress) -> None:
        self._task = task
        self._emit = context.emit
        self._progress = progress
        self._board = task.scoreboard
        self._kept: set[int] = set()
        self._reached = False
        self._unreachable = 0
        self._late: Mapping[str, Any] | None = None
        self._traced = False
        for kept in context.kept(task.name):
            if kept.index in self._kept:
                continue
            self._kept.add(kept.index)
            self._reached = self._reached or kept.error is None
            self._board.add(kept.scores, kept.parts, kept.error, kept.index)
            progress.step()

    async def run(self) -> None:
        """Returns when every row has been evaluated or has failed. Raises EvaluationError of kind
        `deadline` when the time of the job was over before."""
        rows = enumerate(self._task.rows())
        workers = max(1, min(self._task.parallelism, self._task.count))
        await together(self._work(rows) for _ in range(workers))
        if self._late is not None:
            raise EvaluationError(self._late["kind"], self._late["message"], task=self._task.name)

    async def _work(self, rows: Iterator[tuple[int, Row]]) -> None:
        for index, item in rows:
            if index in self._kept:
                continue
            await self._evaluate(index, item)
            if self._late is not None:
                return
            if index % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _evaluate(self, index: int, item: Row) -> None:
        sample = None
        cluster: list[float] = []
        try:
            context = context_of(item)
            if self._task.cluster:
                cluster = [cluster_number(item, context["item"], self._task.cluster)]
            sample = await self._task.answer(item, context)
            if sample is not None:
                context = with_answer(context, sample)
            scoring = await self._board.score(context)
        except EvaluationError as e:
            scoring = self._board.unscored(item, e)
        except MemoryError:
            raise
        except Exception as e:  # a bug: of this sample, as far as one can tell
            scoring = self._board.unscored(item, EvaluationError("flow", self._told(e)))
        if scoring.error is not None and scoring.error["kind"] == "deadline":
            self._late = scoring.error  # others may have an answer yet; this one was not asked
            return
        if sample is not None and (took := numbers_of(sample)):
            scoring.parts[USAGE] = took
        if cluster:
            scoring.parts[CLUSTER] = cluster
        self._board.add(scoring.scores, scoring.parts, scoring.error, index)
        self._emit.sample(record(self._task.name, index, item, sample, scoring))
        self._progress.step()
        if scoring.error is None or scoring.error["kind"] not in UNREACHED:
            self._reached = True
        elif not self._reached:
            self._miss(scoring.error)

    def _told(self, error: Exception) -> str:
        """What went wrong; the log has where, once."""
        if not self._traced:
            self._traced = True
            for line in "".join(traceback.format_exception(error)).splitlines()[-TRACE_LINES:]:
                self._emit.log("error", line)
        return f"{type(error).__name__}: {error}"

    def _miss(self, error: Mapping[str, Any]) -> None:
        """Counts a sample that reached nobody. Raises when the first ones all did."""
        self._unreachable += 1
        if self._unreachable >= max(PATIENCE, self._task.parallelism):
            raise EvaluationError(
                error["kind"],
                f"{error['message']} (so did the first {self._unreachable} samples; the others "
                "were not tried)",
                task=self._task.name,
            )


def cluster_number(row: Row, item: Mapping[str, Any], field: str) -> float:
    """A number for the cluster of a row: 48 bits of a hash of the field, which has the row's own
    name for it or, in `item`, that of templates. Raises EvaluationError of kind `dataset`."""
    found = next((one[field] for one in (row, item) if field in one), None)
    if found is None:
        known = ", ".join(map(str, list(row)[:10]))
        message = f"the row has no field {field!r} to cluster by (it has: {known})"
        raise EvaluationError("dataset", message)
    text = text_of(found).encode(errors="surrogatepass")
    return float(int.from_bytes(blake2b(text, digest_size=6).digest()))


def record(
    task: str, index: int, item: Row, sample: Mapping[str, Any] | None, scoring: Scoring
) -> SampleRecord:
    """What is kept of a sample; notes of metrics stand with the answer."""
    if scoring.notes:
        sample = {**(sample or {}), "notes": scoring.notes}
    return SampleRecord(task, index, item, sample, scoring.scores, scoring.parts, scoring.error)
