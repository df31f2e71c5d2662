"""The rows of a benchmark: those of a task's own data set, else the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from evald.code.benchmark import HUB
from evald.errors import EvaluationError
from evald.flows.door import check_rows
from evald.flows.flow import Document, FlowContext
from evald.model import Row

OWN = "where that cannot be reached, give the rows in the task's dataset"
GATED = "where they are gated, accept their terms at the Hub and give params.extra.hf_token"


class Published:
    """Rows of one task, read anew each time.

    `files` are the data sets where they are published, each perhaps with `fields` that go to all of
    its rows. `read` makes of a row what the benchmark needs, or None of one that it leaves out; it
    raises EvaluationError of kind `dataset`. The limit counts what is left. A field that rows are
    clustered by stays in them.
    """

    def __init__(
        self,
        task: str,
        context: FlowContext,
        files: Sequence[Document],
        read: Callable[[Row], Row | None],
        *,
        given: Document | None = None,
        token: str | None = None,
        limit: int | None = None,
        cluster: str | None = None,
    ) -> None:
        self._task = task
        self._datasets = context.datasets
        self._read = read
        self._limit = limit
        self._cluster = cluster
        self._given = given is not None
        hub = {"hf_endpoint": HUB} | ({"hf_token": token} if token else {})
        self._sets: list[tuple[Document, Mapping[str, Any]]] = (
            [(given, {})]
            if given is not None
            else [({**file, **hub}, file.get("fields") or {}) for file in files]
        )

    def count(self) -> int:
        """Number of rows. Raises EvaluationError of kind `dataset` that tells which are wrong."""
        with hinted("" if self._given else f"{OWN}; {GATED}"):
            found = sum(
                check_rows(self._datasets, dataset, len, self._task, unfold=self._unfold(more))
                for dataset, more in self._sets
            )
        return found if self._limit is None else min(found, self._limit)

    def rows(self) -> Iterator[Row]:
        return islice(self._all(), self._limit)

    def _all(self) -> Iterator[Row]:
        for dataset, more in self._sets:
            unfold = self._unfold(more)
            for row in self._datasets.rows(dataset):
                yield from unfold(row)

    def _unfold(self, more: Mapping[str, Any]) -> Callable[[Row], Iterable[Row]]:
        def unfold(row: Row) -> Iterable[Row]:
            whole = {**more, **row}
            made = self._read(whole)
            if made is None:
                return ()
            kept = {k: v for k, v in whole.items() if k == self._cluster}
            return ({**kept, **made},)

        return unfold


@contextmanager
def hinted(hint: str) -> Iterator[None]:
    """Adds what to do to the errors of the block."""
    try:
        yield
    except EvaluationError as e:
        if not hint:
            raise
        raise EvaluationError(e.kind, f"{e.message}; {hint}", task=e.task) from None
