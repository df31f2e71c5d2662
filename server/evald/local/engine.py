"""The thread that a model runs in: what waits joins what is being written."""

from __future__ import annotations

from collections import deque
from concurrent.futures import InvalidStateError
from contextlib import suppress
from threading import Condition, Thread

from evald.errors import EvaluationError
from evald.local.ask import Ask, Row
from evald.local.batch import Batch
from evald.local.checkpoint import Checkpoint

ROWS = 256
"""Texts that are written at once, at most."""

PREFILL = 2**14
"""Tokens, filled up ones included, that are read at once."""

LOGITS = 2**29
"""Numbers that are held at once when every place's logits are needed."""


class Engine:
    """Writes what is asked, many texts at a time (continuous batching: Yu et al., "Orca", 2022).

    Those that wait are read in groups of about one length, so that little is filled up, beginning
    with the one that waits longest. What the model keeps of them stays below `memory` bytes: when
    it grows beyond, the newest rows are put back, and read anew later.
    """

    def __init__(self, checkpoint: Checkpoint, *, memory: int) -> None:
        self._checkpoint = checkpoint
        self._memory = memory
        self._batch = Batch(checkpoint)
        self._most = 1 if checkpoint.alone else ROWS
        self._waiting: deque[Row] = deque()
        self._news = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask) -> Row:
        """Queues an ask. The row's `answer` is the row itself once it is finished, or an
        EvaluationError; whoever needs it no more cancels that."""
        row = Row(ask)
        with self._news:
            if self._closed:
                raise EvaluationError("model", "the model has been put away")
            self._waiting.append(row)
            self._news.notify()
        return row

    def close(self) -> None:
        """Ends the thread and drops what waits. Returns when the model computes no more."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()
        for row in [*self._batch.rows, *self._waiting]:
            row.answer.cancel()
        self._batch.leave(list(self._batch.rows))

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._batch.rows or self._closed)
                if self._closed:
                    return
                joining = self._next()
            try:
                self._work(joining)
            except Exception as e:
                self._fail(e, joining)
            self._answer(joining)

    def _work(self, joining: list[Row]) -> None:
        import torch

        with torch.inference_mode():
            try:
                if joining:
                    self._batch.join(joining)
                elif self._batch.rows:
                    self._make_room()
                    self._batch.step()
            except torch.OutOfMemoryError:
                self._retreat(joining)

    def _next(self) -> list[Row]:
        """The rows that join now, off the queue: as many as there is room for."""
        for row in [row for row in self._waiting if row.answer.cancelled()]:
            self._waiting.remove(row)
        rows = len(self._batch.rows)
        if not self._waiting or rows >= self._most:
            return []
        first = self._waiting[0]
        alike = [row for row in self._waiting if row.unread == first.unread]
        alike.sort(key=lambda row: abs(row.length - first.length))
        longest, joining = 0, list[Row]()
        for row in alike[: self._most - rows]:
            longest = max(longest, row.length)
            count = len(joining) + 1
            read = count * longest > self._reads(first.unread)
            kept = not self._fits(rows + count, max(longest, self._batch.width) + 1)
            if (read and joining) or (kept and rows + len(joining)):
                break
            joining.append(row)
        for row in joining:
            self._waiting.remove(row)
        return joining

    def _reads(self, unread: bool) -> int:
        """Tokens that may be read at once."""
        return min(PREFILL, LOGITS // self._checkpoint.vocabulary) if unread else PREFILL

    def _fits(self, rows: int, width: int) -> bool:
        return rows * width * self._batch.size <= self._memory

    def _make_room(self) -> None:
        """Puts the newest rows back until the others can grow."""
        rows = list(self._batch.rows)
        while len(rows) > 1 and not self._fits(len(rows), self._batch.width + 1):
            self._put_back([rows.pop()])

    def _retreat(self, joining: list[Row]) -> None:
        """What to do when there was not enough memory: less at a time, and in the end nothing."""
        import torch

        rows = [*self._batch.rows, *joining]
        if len(rows) == 1:
            raise EvaluationError(
                "model",
                f"the model's memory does not suffice for a text of {rows[0].length} tokens: ask "
                "for more by params.gpus or gpu_memory, or shorten the prompt",
            )
        self._most = max(1, len(rows) // 2)
        self._put_back(rows)
        torch.cuda.empty_cache()

    def _put_back(self, rows: list[Row]) -> None:
        self._batch.leave(rows)
        with self._news:
            self._waiting.extendleft(row for row in reversed(rows) if not row.finish)

    def _fail(self, error: Exception, joining: list[Row]) -> None:
        """Tells those whom an error has hit."""
        if not isinstance(error, EvaluationError):
            said = " ".join(str(error).split())[:300]
            error = EvaluationError("model", f"the model fails: {type(error).__name__}: {said}")
        hit = joining or list(self._batch.rows)
        self._batch.leave(hit)
        for row in hit:
            with suppress(InvalidStateError):
                row.answer.set_exception(error)

    def _answer(self, joining: list[Row]) -> None:
        """Answers those that are finished, and forgets those that nobody waits for."""
        rows = {*joining, *self._batch.rows}
        for row in rows:
            if row.finish:
                with suppress(InvalidStateError):
                    row.answer.set_result(row)
        try:
            self._batch.leave([row for row in rows if row.finish or row.answer.cancelled()])
        except Exception as e:  # what the others have read is lost
            self._fail(e, list(self._batch.rows))
