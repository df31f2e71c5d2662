"""What lm-eval makes of one task of a config: documents with their requests, and scores."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from evald.errors import EvaluationError
from evald.harness import library, recall
from evald.harness.data import Own, Source
from evald.harness.names import index
from evald.harness.results import title
from evald.harness.tokens import Tokenizer

SEED = 1234
"""Of few-shot examples and of numpy, as lm-eval has it; that of Python is 0."""

Answers = Sequence[Sequence[Any]]
"""What the model said to each request of a document, as often as it was asked."""


@dataclass(frozen=True, slots=True)
class Document:
    """One row of a task, and what is asked about it: lm-eval's instances."""

    task: Any
    index: int
    instances: list[Any]

    @property
    def row(self) -> dict[str, Any]:
        doc = self.instances[0].doc
        if not isinstance(doc, Mapping):
            return {"doc": doc}
        return {str(key): value for key, value in doc.items()}


@dataclass(slots=True)
class Settings:
    """How lm-eval is to run a task."""

    num_fewshot: int | None = None
    limit: int | None = None
    chat: bool = False
    multiturn: bool = True
    system: str | None = None
    bootstrap_iters: int = 100_000


@dataclass(slots=True)
class Suite:
    """One task, group or tag of lm-eval, loaded."""

    name: str
    settings: Settings
    loaded: Any
    tokenizer: Tokenizer | None = None
    leaves: dict[str, list[Document]] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, settings: Settings, source: Source) -> Suite:
        """Raises EvaluationError when lm-eval, its task or the data cannot be had."""
        manager_of = library.module("lm_eval.tasks").TaskManager
        refuse(*index().unsafe & {name})
        random.seed(0)
        library.module("numpy").random.seed(SEED)
        folders = [str(folder) for folder in index().folders(name)]
        manager = manager_of(include_defaults=False, include_path=folders)
        with told(name), source.reading():
            loaded = manager.load(name)
        for task in loaded["tasks"].values():
            configure(task, settings)
        if source.undivided and len(loaded["tasks"]) > 1:
            names = ", ".join(sorted(str(t.DATASET_NAME) for t in loaded["tasks"].values()))
            raise EvaluationError(
                "dataset",
                f"{name} consists of several tasks: the data set must have a folder for each, "
                f"named {names}",
            )
        return cls(name, settings, loaded)

    @property
    def generates(self) -> bool:
        """Whether all that is asked is to write, which chats can do."""
        types = {t.OUTPUT_TYPE for t in self.loaded["tasks"].values()}
        return types == {"generate_until"}

    def build(self, tokenizer: Tokenizer | None) -> None:
        """Makes the requests of all documents. Raises EvaluationError."""
        self.tokenizer = tokenizer
        try:
            with told(self.name):
                self._evaluate(recall.Collector(tokenizer), limit=self.settings.limit)
        except recall.Built:
            pass
        for name, task in self.loaded["tasks"].items():
            self.leaves[name] = documents(task)

    def results(self, answers: Mapping[str, Mapping[int, Answers]]) -> Mapping[str, Any]:
        """lm-eval's results from the answers of each task's documents; documents without answers
        count nowhere. Raises EvaluationError."""
        said: dict[int, Answers] = {}
        samples = {}
        for name, task in self.loaded["tasks"].items():
            answered = [d for d in self.leaves[name] if d.index in answers[name]]
            samples[name] = [d.index for d in answered]
            for position, document in enumerate(answered):
                for instance, given in zip(
                    document.instances, answers[name][document.index], strict=True
                ):
                    instance.doc_id = position
                    instance.resps = []
                    said[id(instance)] = given
            task._instances = [i for d in answered for i in d.instances]
            task.build_all_requests = built_already
        with told(self.name):
            found: Mapping[str, Any] = self._evaluate(recall.Recall(said), samples=samples)
        return found

    def _evaluate(self, lm: Any, **which: Any) -> Any:
        return library.module("lm_eval.evaluator").evaluate(
            lm,
            self.loaded,
            bootstrap_iters=self.settings.bootstrap_iters,
            log_samples=False,
            system_instruction=self.settings.system,
            apply_chat_template=self.settings.chat,
            fewshot_as_multiturn=self.settings.multiturn,
            **which,
        )


def configure(task: Any, settings: Settings) -> None:
    """What lm-eval's own entry point does to a task before it is evaluated."""
    shots = task.get_config("num_fewshot")
    if settings.num_fewshot is not None and shots != 0:
        task.set_config(key="num_fewshot", value=settings.num_fewshot)
    elif shots is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=SEED)
    if getattr(task, "UNSAFE_CODE", False):
        refuse(task.task_name)
    if process := task.get_config("process_docs"):
        # Some shuffle the choices anew with each call: what is asked and what is scored must agree.
        task.set_config(key="process_docs", value=once(process))
    split = task.get_config("test_split") or task.get_config("validation_split")
    fewshot = getattr(task, "fewshot_cfg", None)
    if fewshot is not None and fewshot.split and fewshot.split != split:
        rows = getattr(task, "dataset", {})
        if isinstance(rows, Own) and split in rows and same(rows, split, fewshot.split):
            fewshot.split = task.get_config("test_split")  # so that no row is its own example


def refuse(*unsafe: str) -> None:
    """Raises EvaluationError when there are tasks that run what the model wrote."""
    if unsafe:
        raise EvaluationError(
            "flow",
            f"{unsafe[0]} runs programs that the model writes: config types such as humaneval and "
            "mbpp do so in a sandbox",
        )


def once(process: Any) -> Any:
    """A function of a data set that is called once for each."""
    seen: dict[int, tuple[Any, Any]] = {}

    def processed(dataset: Any) -> Any:
        if id(dataset) not in seen:
            seen[id(dataset)] = (dataset, process(dataset))
        return seen[id(dataset)][1]

    return processed


def same(rows: Any, one: str, other: str) -> bool:
    """Whether two splits are one: a data set that is not divided has the same rows in both."""
    return other in rows and rows[one].to_dict() == rows[other].to_dict()


def documents(task: Any) -> list[Document]:
    """The documents of a task whose requests are built."""
    found: dict[int, Document] = {}
    for instance in task.instances:
        number = instance.doc_id
        found.setdefault(number, Document(task, number, [])).instances.append(instance)
    return list(found.values())


def scores(
    document: Document, answers: Answers
) -> tuple[dict[str, dict[str, float | None]], dict[str, list[float]]]:
    """The scores of one document, as far as they are numbers, and the pairs of numbers that some
    metrics add up. Raises what the task raises."""
    copies = [
        replace(instance, resps=list(given), filtered_resps={})
        for instance, given in zip(document.instances, answers, strict=True)
    ]
    for ensemble in document.task._filters:
        ensemble.apply(copies)
    copies.sort(key=lambda copy: int(copy.idx))
    found: dict[str, dict[str, float | None]] = {}
    pairs: dict[str, list[float]] = {}
    for filter_name in copies[0].filtered_resps:
        filtered = [copy.filtered_resps[filter_name] for copy in copies]
        for metric, value in document.task.process_results(copies[0].doc, filtered).items():
            if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
                value = value.item()
            name = title(metric, filter_name)
            if isinstance(value, int | float):
                found[name] = {name: float(value)}
            elif isinstance(value, tuple) and len(value) == 2:
                pairs[name] = [*map(float, value)]
    return found, pairs


def built_already(**_: Any) -> None:
    """Builds no requests."""


@contextmanager
def told(name: str) -> Iterator[None]:
    """Says what fails inside lm-eval as an error of ours."""
    try:
        yield
    except (EvaluationError, recall.Built):
        raise
    except Exception as e:
        said = " ".join(str(e).split())[:500]
        raise EvaluationError(
            "flow", f"lm-eval cannot run {name}: {type(e).__name__}: {said}"
        ) from e
