"""The benchmarks of simple-evals: questions that are answered in a chat, with some reasoning, where
one answer is right."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from evald.flows.chat import asked_in, benchmark_asker
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_benchmark_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.graded import Graded, Grades, Repeated
from evald.flows.judge import FIELD, NEEDS_JUDGE, Judge, JudgeParams
from evald.flows.params import EvaluationParams, cluster_field, parse
from evald.flows.published import Published
from evald.guard import GuardedSandbox
from evald.model import CHAT, Asker
from evald.simple_evals import equality
from evald.simple_evals.benchmark import SCORE, Benchmark, Tools
from evald.simple_evals.catalog import CATALOG, PREFIX, TAKEN
from evald.simple_evals.custom import CustomConfig
from evald.suggest import unknown
from evald.templates import Templates

SAMPLING = {"temperature": 0.0}
"""Of the answers, unless the config says otherwise."""


class Options(BaseModel):
    """What simple-evals read of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    n_samples: int | None = Field(
        None, ge=1, le=1000, validation_alias=AliasChoices("n_samples", "num_repeats")
    )
    k: list[int] = Field(default=[])
    hf_token: str | None = None
    judge: JudgeParams | None = None
    custom_config: CustomConfig | None = None

    @field_validator("judge", mode="before")
    @classmethod
    def _asked(cls, judge: Any) -> Any:
        return judge or None


class SimpleEvals(Flow):
    """AIME, MATH-500, GPQA, MGSM, Global-MMLU, MMLU-Pro and SimpleQA, as simple-evals ask and grade
    them.

    `score` is the part of answers that are right, a mean over `extra.n_samples` answers to each
    question; pass@k is estimated for each of `extra.k`. Names that lm-eval has as well are its own:
    `simple_evals.` before any name says that this flow is meant.
    """

    types = (*(name for name in CATALOG if name not in TAKEN), *(PREFIX + n for n in TAKEN))
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = (
        "micro", "micro_avg_of_N", "macro", "macro_avg_of_N", "pass@k", "accuracy_given_attempted",
        "f1",
    )  # fmt: skip
    extra = "evald[math]"
    Extra = Options

    @classmethod
    def more_types(cls) -> Collection[str]:
        return [PREFIX + name for name in CATALOG]

    def check(self, config: Document) -> None:
        findings = Findings()
        kind = config["type"]
        params = EvaluationParams()
        with findings.gather():
            params = parse(EvaluationParams, config.get("params"), "params")
        with findings.gather():
            options = parse(Options, params.extra, "params.extra")
            check_options(findings, kind, options, params)
        check_benchmark_tasks(findings, config, [name_of(kind)])
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        kind = name_of(config["type"])
        params = parse(EvaluationParams, config.get("params"), "params")
        options = parse(Options, params.extra, "params.extra")
        variant = CATALOG[kind]
        if options.custom_config:
            variant = options.custom_config.of(variant)
        benchmark = variant.benchmark
        count = options.n_samples or benchmark.repeats
        async with AsyncExitStack() as opened:
            asked = Repeated(asker_of(context, params, opened), variant, count)
            tools = tools_of(context, benchmark, options.judge, opened)
            graded = Graded(variant, tools, count, options.k)
            tasks: list[Task] = []
            boards: dict[str, Grades] = {}
            for name, task in (config.get("tasks") or {kind: {}}).items():
                cluster = cluster_field(task, f"tasks.{name}")
                rows = Published(
                    name,
                    context,
                    benchmark.files,
                    benchmark.read,
                    given=task.get("dataset"),
                    token=options.hf_token,
                    limit=params.limit_samples,
                    cluster=cluster,
                )
                board = boards[name] = Grades(graded, benchmark.macro)
                total = rows.count()
                tasks.append(
                    Task(name, total, rows.rows, asked, board, params.parallelism, cluster)
                )
            results = await evaluate(tasks, context)
        groups = {name: {"metrics": found["metrics"]} for name, found in results.items()}
        for name, board in boards.items():
            for member, scores in board.members.items():
                called = member if len(boards) == 1 and member not in groups else f"{name}.{member}"
                results[called] = {"metrics": {SCORE: {"scores": scores}}}
        return {"tasks": results, "groups": groups}


def check_options(
    findings: Findings, kind: str, options: Options, params: EvaluationParams
) -> None:
    """Checks what goes together in `params.extra`."""
    variant = CATALOG[name_of(kind)]
    benchmark = variant.benchmark
    count = options.n_samples or benchmark.repeats
    if count > 1 and "seed" in params.extra:
        message = f"all {count} answers to a question would be the same"
        findings.add("params.extra.seed", message)
    if any(not 1 <= k <= count for k in options.k):
        findings.add("params.extra.k", f"each must be from 1 to n_samples, which is {count}")
    if options.judge is None and benchmark.needs_judge:
        findings.add(FIELD, NEEDS_JUDGE)
    if options.judge is None and benchmark.needs_equality and (said := equality.missing()):
        findings.add("type", f"{said}, or set {FIELD}")
    if options.custom_config:
        for name in options.custom_config.unknown(benchmark.names()):
            message = unknown(name, benchmark.names())
            findings.add("params.extra.custom_config.prompt_template", message)


async def no_equality(expected: str, answer: str) -> bool:
    """Where math-verify is not installed, the judge says all."""
    return False


def tools_of(
    context: FlowContext, benchmark: Benchmark, judge: JudgeParams | None, opened: AsyncExitStack
) -> Tools:
    """What a benchmark grades by; `opened` closes it."""
    equal = no_equality
    if benchmark.needs_equality and equality.missing() is None:
        compared = equality.Equality()
        opened.push_async_callback(compared.close)
        equal = compared
    if judge is None or benchmark.judge is None:
        return Tools(equal)
    template = Templates("judge", GuardedSandbox()).compile(benchmark.judge, "question")
    return Tools(equal, Judge(judge, context, opened).asker(template).text)


def asker_of(context: FlowContext, params: EvaluationParams, opened: AsyncExitStack) -> Asker:
    """Asks the model in chats. Raises EvaluationError when its URL takes none."""
    asked_in(context.target["model"], context.config["type"], (CHAT,))
    template = Templates().compile("{{ asked }}", "prompt")
    return benchmark_asker(context, params, opened, template=template, form=CHAT, defaults=SAMPLING)


def name_of(kind: str) -> str:
    """The name of a benchmark, without what tells it from another flow's."""
    return kind.removeprefix(PREFIX)
