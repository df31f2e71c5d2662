"""The Berkeley Function-Calling Leaderboard: whether a model calls the right functions rightly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evald.bfcl import dataset, package
from evald.bfcl.call import Call, Undecodable
from evald.bfcl.calls import calls_of_message, calls_of_text, written
from evald.bfcl.categories import CATEGORIES, LEFT_OUT, Category, categories_of, named
from evald.bfcl.checker import mistake
from evald.bfcl.functions import request_of
from evald.bfcl.leaderboard import Accuracy, summaries
from evald.errors import EvaluationError
from evald.flows.chat import benchmark_asker
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_benchmark_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.members import Mean, Members
from evald.flows.params import EvaluationParams, cluster_field, parse
from evald.flows.scoreboard import Scoreboard, Scoring
from evald.metrics.metric import Metric, Scored
from evald.model import CHAT, Row
from evald.statistics import cluster_of
from evald.templates import Template

DEFAULTS = {
    "bfcl": ("all", False),
    "bfclv3": ("all", False),
    "bfclv3_ast": ("ast", True),
    "bfclv3_ast_prompting": ("ast", False),
    "bfclv2": ("single_turn", False),
    "bfclv2_ast": ("ast", True),
    "bfclv2_ast_prompting": ("ast", False),
}
"""What is asked unless tasks say it, and whether by native function calling, by config type."""

TEMPERATURE = 0.001

TOLD = 2000
"""Characters of a call, or of what is wrong with it, that are kept."""


class BfclParams(EvaluationParams):
    """`params` of a config."""

    parallelism: int = Field(5, ge=1, le=1024)


class Options(BaseModel):
    """What BFCL reads of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    native_calling: bool | None = None


class Bfcl(Flow):
    """Questions, each with functions; the model is to answer with the right calls, or with none.

    A model either calls functions natively (`tools` and `tool_calls` of a chat), or is told them in
    the system prompt and writes calls as text, by `extra.native_calling`. Nothing is run: calls are
    compared with those that are right.
    """

    types = tuple(DEFAULTS)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = (*CATEGORIES, "non_live_ast", "live_ast", "overall")
    extra = "evald[bfcl]"
    Params = BfclParams
    Extra = Options

    @classmethod
    def missing(cls) -> str | None:
        return package.missing()

    def check(self, config: Document) -> None:
        findings = Findings()
        params = BfclParams()
        with findings.gather():
            params = parse(BfclParams, config.get("params"), "params")
        with findings.gather():
            parse(Options, params.extra, "params.extra")
        if lacking := package.missing():
            findings.add("type", lacking)
        for name, task in (config.get("tasks") or {}).items():
            try:
                categories_of(asked_of(config, task))
            except ValueError as e:
                findings.add(f"tasks.{name}.type", str(e))
        check_benchmark_tasks(findings, config, None)
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        params = parse(BfclParams, config.get("params"), "params")
        options = parse(Options, params.extra, "params.extra")
        native = options.native_calling
        native = DEFAULTS[config["type"]][1] if native is None else native
        boards: dict[str, Board] = {}
        members = Members()
        tasks = []
        async with AsyncExitStack() as opened:
            asker = benchmark_asker(
                context,
                params,
                opened,
                template=prompt(native),
                form=CHAT,
                defaults={"temperature": TEMPERATURE},
            )
            for name, task in (config.get("tasks") or {config["type"]: {}}).items():
                asked = asked_of(config, task)
                if left_out := LEFT_OUT.get(asked):
                    told = f"task {name}: of {asked}, {', '.join(left_out)} cannot be asked here"
                    context.emit.log("warning", told)
                questions = questions_of(task, asked, params.limit_samples, context)
                boards[name] = Board(asked, questions, native, members, len(boards))
                tasks.append(
                    Task(
                        name,
                        len(questions),
                        questions.__iter__,
                        asker,
                        boards[name],
                        params.parallelism,
                        cluster_field(task, f"tasks.{name}"),
                    )
                )
            results = await evaluate(tasks, context)
        return {"tasks": results, "groups": groups_of(list(boards.values()), members)}


class Calls(Metric):
    """Whether a reply to a question of one category is right. A reply that is no list of calls is
    not, but where none is the right answer."""

    type = ""

    def __init__(self, category: Category, name: str, native: bool) -> None:
        self._category = category
        self._native = native
        self.name = name

    def score(self, context: Mapping[str, Any]) -> Scored:
        calls: Sequence[Call] = ()
        try:
            calls = self._calls(context["sample"])
            problem = self._problem(context["item"], calls)
        except Undecodable as e:
            problem = None if self._category.form == "irrelevance" else f"no list of calls: {e}"
        problem = problem and problem[:TOLD]
        notes = {"calls": [written(call)[:TOLD] for call in calls], "mistake": problem}
        return Scored({self.name: float(problem is None)}, notes=notes)

    def _calls(self, sample: Mapping[str, Any]) -> list[Call]:
        if self._native:
            return calls_of_message(sample["response"]["choices"][0]["message"])
        return calls_of_text(sample["output_text"], self._category.language)

    def _problem(self, row: Row, calls: Sequence[Call]) -> str | None:
        match self._category.form:
            case "irrelevance":
                return "none of the functions suits the question" if calls else None
            case "relevance":
                return None if calls else "one of the functions should have been called"
        return mistake(
            row["function"], calls, row["ground_truth"], self._category, underscores=self._native
        )


class Board(Scoreboard):
    """Scores the questions of a task, each in its own category. `asked` is the type of the task,
    and the name of its metric where that is one category. `members` gets the scores, each under its
    category and the task's `number`."""

    def __init__(
        self,
        asked: str,
        questions: Sequence[Row],
        native: bool,
        members: Members,
        number: int,
    ) -> None:
        names = dict.fromkeys(str(row["category"]) for row in questions)
        self.number = number
        self._members = members
        self._checks = {
            name: Calls(CATEGORIES[name], asked if named(asked) else name, native) for name in names
        }
        super().__init__({check.name: check for check in self._checks.values()})

    async def score(self, context: Mapping[str, Any]) -> Scoring:
        check = self._checks[context["item"]["category"]]
        scored = check.score(context)
        return Scoring({check.name: dict(scored.values)}, notes={check.name: scored.notes})

    def unscored(self, row: Row, error: EvaluationError) -> Scoring:
        """A question without an answer has no value in its own category."""
        name = self._checks[row["category"]].name
        return Scoring({name: {name: None}}, error={"kind": error.kind, "message": error.message})

    def add(
        self,
        scores: Mapping[str, Mapping[str, float | None]],
        parts: Mapping[str, Sequence[float]],
        error: Mapping[str, Any] | None = None,
        index: int | None = None,
    ) -> None:
        super().add(scores, parts, error, index)
        if index is None:
            return
        values = {
            (category, self.number): scores[check.name][check.name]
            for category, check in self._checks.items()
            if check.name in scores
        }
        self._members.add(values, (self.number << 32) + index, cluster_of(parts))

    def accuracies(self) -> dict[str, Accuracy]:
        """By category, of those with a value."""
        found = {}
        for name, check in self._checks.items():
            for score in self.scores(check.name).values():
                if score["value"] is not None:
                    found[name] = Accuracy(score["value"], score["stats"]["count"])
        return found


def asked_of(config: Document, task: Document) -> str:
    """The category or group that a task asks."""
    kind = str(task.get("type") or "default")
    return DEFAULTS[config["type"]][0] if kind in ("default", config["type"]) else kind


def questions_of(
    task: Document, asked: str, limit: int | None, context: FlowContext
) -> list[dict[str, Any]]:
    """The questions of a task. Raises EvaluationError."""
    categories = categories_of(asked)
    given = task.get("dataset")
    if given is None:
        return dataset.packaged(categories, limit)
    datasets = context.datasets
    return dataset.own(
        datasets.rows(given), categories, limit, lambda index: datasets.place(given, index)
    )


def prompt(native: bool) -> Template:
    """What is asked about a question."""

    def render(context: Mapping[str, Any]) -> dict[str, Any]:
        row = context["item"]
        return request_of(row, CATEGORIES[row["category"]], native)

    return Template(render, render, "question")


def groups_of(boards: Sequence[Board], members: Members) -> dict[str, Any]:
    """The leaderboard's scores of all tasks together; of two of one category the first counts that
    has a value."""
    found: dict[str, Accuracy] = {}
    counted: set[tuple[str, int]] = set()
    for board in boards:
        first = {k: v for k, v in board.accuracies().items() if k not in found}
        found |= first
        counted |= {(name, board.number) for name in first}

    def combine(means: Mapping[tuple[str, int], Mean]) -> Mapping[str, float]:
        return summaries(
            {
                member[0]: Accuracy(mean.value, int(mean.count))
                for member, mean in means.items()
                if member in counted
            }
        )

    known = members.known(combine)
    metrics = {
        name: {"scores": {name: {"value": value, **known.get(name, {})}}}
        for name, value in summaries(found).items()
    }
    return {"bfcl": {"metrics": metrics}} if metrics else {}
