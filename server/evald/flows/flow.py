"""What a flow is, and what it is given to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from evald.flows.params import EvaluationParams, TaskParams
from evald.model import Models
from evald.vectors import Indexes

Document = Mapping[str, Any]
"""An entity in its plain form: the JSON that REST shows, as Python values."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A sample that an earlier attempt of the job has scored already. `sample` is the answer, as it
    was kept."""

    index: int
    scores: Mapping[str, Mapping[str, float | None]]
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    sample: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One row, asked and scored, as an attempt reports it.

    `scores` maps metric to score to value; `parts` maps metric to the numbers of `Scored.parts`.
    `error` is `{"kind", "message"}` when the sample could not be evaluated, and `scores` is empty,
    or when some of its values could not be made.
    """

    task: str
    index: int
    item: Mapping[str, Any]
    sample: Mapping[str, Any] | None
    scores: Mapping[str, Mapping[str, float | None]]
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None


class Emit(Protocol):
    """Where an attempt says what it does. A call waits for nothing but the pipe to the server."""

    def sample(self, record: SampleRecord) -> None: ...

    def progress(self, processed: int, total: int | None, others: int = 0) -> None:
        """Samples done in the whole job, kept ones included, and `others`, steps that are no
        samples; `total` is how many there are of both, if known."""

    def task(self, name: str, status: str) -> None:
        """`status` is pending, running, completed or failed."""

    def log(self, level: str, message: str) -> None: ...


class Datasets(Protocol):
    """Reads data sets; `evald.clients.datasets` is the real one."""

    def rows(self, dataset: Document) -> Iterator[dict[str, Any]]:
        """The rows of a data set `{"files_url", "format"?, "limit"?, "hf_endpoint"?, ...}`, read as
        they are asked for. Raises EvaluationError of kind `dataset`."""

    def files(self, dataset: Document) -> Sequence[str]:
        """Names of the files below its `files_url` that have rows; of a file its own."""

    def splits(self, dataset: Document) -> Collection[str]:
        """Names that its `split` may have: those of files and folders."""

    def count(self, dataset: Document) -> int:
        """Number of rows, its `limit` observed, without keeping them."""

    def place(self, dataset: Document, index: int) -> str:
        """Where a row is, such as `rows.jsonl, line 3`."""

    def allow(self, url: str) -> None:
        """For what fetches data by itself: raises EvaluationError when that must not be."""


@dataclass(frozen=True, slots=True)
class FlowContext:
    """All that a flow sees of the world."""

    config: Document
    target: Document
    datasets: Datasets
    models: Models
    indexes: Indexes
    emit: Emit
    kept: Callable[[str], Iterator[Kept]]
    """Samples of a task that earlier attempts have scored: skip their rows, count their scores."""


class Flow(ABC):
    """Runs one kind of config.

    A flow never sees the store, gRPC or the settings. It imports heavy libraries inside methods,
    since the server reads every flow at start.
    """

    types: ClassVar[Sequence[str]]
    """Config types that this flow runs."""

    targets: ClassVar[Mapping[str, Sequence[str]]]
    """Target types that each task type takes; key `*` is any task type."""

    metrics: ClassVar[Collection[str] | None] = ()
    """Metric types that its tasks take; None is every one that is installed."""

    scores: ClassVar[Sequence[str]] = ()
    """Names of the scores that are its own, of any metric. `pass@k` stands for every k."""

    extra: ClassVar[str | None] = None
    """The extra of evald that installs what it needs, such as `evald[code]`."""

    task_params: ClassVar[Mapping[str, type[TaskParams]]] = {}
    """What it reads of the `params` of tasks, by task type, where that is more than TaskParams."""

    Params: ClassVar[type[EvaluationParams]] = EvaluationParams
    """What it reads of a config's `params`."""

    Extra: ClassVar[type[BaseModel] | None] = None
    """What it reads of `params.extra`."""

    @classmethod
    def missing(cls) -> str | None:
        """What has to be installed before it can run."""
        return None

    @classmethod
    def more_types(cls) -> Collection[str]:
        """Config types besides `types` that take a moment to find. They are asked for only when no
        flow has a type among its `types`."""
        return ()

    @classmethod
    def prepare(cls) -> Iterator[None]:
        """Does what takes long, such as imports, a step at a time. Once a job of this flow has run,
        waiting children do it ahead."""
        return iter(())

    @abstractmethod
    def check(self, config: Document) -> None:
        """Checks params, tasks, metrics and templates of a config before anything runs.

        Raises InvalidArgument with paths from the top of the config, such as
        `tasks.qa.metrics.match.params.check`.
        """

    def check_job(self, target: Document, config: Document) -> None:  # noqa: B027, most need none
        """Checks what a config must have for this target and not for others, once the target's type
        is one of `targets`.

        Raises InvalidArgument with paths from the top of the job, such as
        `config.tasks.qa.dataset`.
        """

    @abstractmethod
    async def run(self, context: FlowContext) -> dict[str, Any]:
        """Evaluates, and answers `{"tasks": {...}, "groups": {...}}` in the shape of a Result.

        Raises EvaluationError when the job cannot be finished.
        """
