"""Benchmarks of EleutherAI's lm-eval: its tasks, prompts, filters and scores, asked by us."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evald.errors import EvaluationError
from evald.flows.chat import asked_in, opened_client
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings
from evald.flows.flow import Document, Flow, FlowContext, Kept
from evald.flows.harness_board import Board, with_intervals
from evald.flows.params import EvaluationParams, TaskParams, parse
from evald.harness import library
from evald.harness.data import Source
from evald.harness.examinee import Examinee, recalled, rows_of
from evald.harness.names import INSTALL, index, root
from evald.harness.results import means_of, metrics_of, ratios_of
from evald.harness.tokens import Tokenizer, tokenizer_of
from evald.model import CHAT, COMPLETIONS, ModelClient
from evald.suggest import unknown

ALIASES = {
    "gpqa": "gpqa_diamond_generative_n_shot",
    "gpqa_diamond_cot": "gpqa_diamond_cot_zeroshot",
    "mgsm": "mgsm_direct",
    "musr": "leaderboard_musr",
}
"""Names of the reference that lm-eval does not have, or has for something else."""

COMMON = ("bbh", "gsm8k", "ifeval", "mmlu", "wikilingua")
"""Names of the reference that lm-eval has, or that are added to it."""

WRITTEN = {"mmlu": "mmlu_generative", "arc_challenge": "arc_challenge_chat"}
"""Tasks that chats can do, for those that need log probabilities."""


class Options(BaseModel):
    """What lm-eval's tasks read of `params.extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    num_fewshot: int | None = Field(None, ge=0)
    apply_chat_template: bool | None = None
    fewshot_as_multiturn: bool = True
    system_instruction: str | None = None
    model_type: Literal["chat", "completions"] | None = None
    hf_token: str | None = None
    tokenizer: str | None = None
    tokenizer_backend: str | None = None
    bootstrap_iters: int = Field(100_000, ge=0)


class TaskOptions(TaskParams):
    """`params` of a task."""

    num_fewshot: int | None = Field(None, ge=0)


class LmHarness(Flow):
    """The tasks, groups and tags of lm-eval, and what else the reference calls some of them.

    Prompts, few-shot examples, filters and scores are lm-eval's own; the requests are sent by
    evald's client, and each row is a sample as soon as it is answered.
    """

    types = (*ALIASES, *COMMON)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = ("METRIC", "METRIC__FILTER")
    extra = "evald[harness]"
    task_params = {"*": TaskOptions}  # noqa: RUF012
    Extra = Options

    @classmethod
    def missing(cls) -> str | None:
        return None if root() else INSTALL

    @classmethod
    def more_types(cls) -> Collection[str]:
        return index()

    @classmethod
    def prepare(cls) -> Iterator[None]:
        for name in library.MODULES:
            library.module(name)
            yield
        index()
        yield

    def check(self, config: Document) -> None:
        findings = Findings()
        params = EvaluationParams()
        with findings.gather():
            params = parse(EvaluationParams, config.get("params"), "params")
        with findings.gather():
            parse(Options, params.extra, "params.extra")
        if root() is None:
            findings.add("type", INSTALL)
        for name, task in (config.get("tasks") or {}).items():
            with findings.gather():
                parse(TaskOptions, task.get("params"), f"tasks.{name}.params")
            asked = task_of(config, task)
            if asked not in COMMON and root() is not None and asked not in index():
                findings.add(f"tasks.{name}.type", unknown(asked, (), index()))
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        library.module("lm_eval.evaluator")
        params = parse(EvaluationParams, context.config.get("params"), "params")
        async with AsyncExitStack() as opened:
            client = opened_client(context, params, opened)
            entries = [
                Entry(name, task, context, params)
                for name, task in (context.config.get("tasks") or {"": {}}).items()
            ]
            kept = KeptAnswers(context, entries)
            tasks = [task for entry in entries for task in entry.tasks(client, kept)]
            context.emit.log("info", f"lm-eval asks about {sum(t.count for t in tasks)} rows")
            results = await evaluate(tasks, replace(context, kept=kept.of))
            groups: dict[str, Any] = {}
            for entry in entries:
                if entry.name and entry.name not in results:
                    context.emit.task(entry.name, "completed")
                entry.finish(results, groups)
            return {"tasks": results, "groups": groups}


class Entry:
    """One task of a config: a suite of lm-eval's tasks."""

    def __init__(
        self, name: str, task: Document, context: FlowContext, params: EvaluationParams
    ) -> None:
        from evald.harness.suite import Settings, Suite

        self.name = name
        self._model = context.target["model"]
        self._params = params
        options = parse(Options, params.extra, "params.extra")
        own = parse(TaskOptions, task.get("params"), f"tasks.{name}.params")
        asked = task_of(context.config, task)
        told = asked_in(self._model, context.config["type"], wanted=options.model_type)
        if told == CHAT:
            asked = WRITTEN.get(asked, asked)
        source = Source(name or asked, task.get("dataset"), context.datasets, options.hf_token)
        settings = Settings(
            num_fewshot=options.num_fewshot if own.num_fewshot is None else own.num_fewshot,
            limit=params.limit_samples,
            multiturn=options.fewshot_as_multiturn,
            system=options.system_instruction,
            bootstrap_iters=options.bootstrap_iters,
        )
        self.suite = Suite.load(asked, settings, source)
        self._form = told or (CHAT if self.suite.generates else COMPLETIONS)
        if self._form == CHAT and not self.suite.generates:
            raise EvaluationError(
                "flow",
                f"{asked} needs log probabilities of its prompts, which chats do not give: let "
                "api_endpoint.url end in /completions, or set params.extra.model_type to "
                "completions",
                task=name or asked,
            )
        template = options.apply_chat_template
        settings.chat = self._form == CHAT if template is None else template
        self._tokenizer = self._tokenizer_of(options, settings.chat)
        self.suite.build(self._tokenizer)
        self._cluster = own.cluster
        self._boards: dict[str, Board] = {}

    def _tokenizer_of(self, options: Options, chat: bool) -> Tokenizer | None:
        """The tokenizer that the config names, where anything depends on it."""
        backend = (options.tokenizer_backend or "").lower()
        if not options.tokenizer or backend in ("none", "remote") or self._form == CHAT:
            return None
        if self.suite.generates and not chat:
            return None
        return tokenizer_of(backend, options.tokenizer, options.hf_token)

    def called(self, leaf: str) -> str:
        """What one of lm-eval's tasks is called here."""
        return self.name if self.name and len(self.suite.leaves) == 1 else leaf

    def tasks(self, client: ModelClient, kept: KeptAnswers) -> Iterator[Task]:
        """lm-eval's tasks as ours."""
        params = self._params
        examinee = Examinee(client, self._model, self._form, self._tokenizer, params.request())
        for leaf, documents in self.suite.leaves.items():
            name = self.called(leaf)
            task = self.suite.loaded["tasks"][leaf]
            board = self._boards[leaf] = Board(kept.answers[name], ratios_of(task))
            rows = rows_of(documents)
            count = len(documents)
            yield Task(name, count, rows, examinee, board, params.parallelism, self._cluster)

    def finish(self, results: dict[str, Any], groups: dict[str, Any]) -> None:
        """Puts lm-eval's scores into the results of its tasks, and adds its groups."""
        found = self.suite.results({leaf: b.answers for leaf, b in self._boards.items()})
        clustered = self._cluster is not None
        for leaf, board in self._boards.items():
            means = means_of(self.suite.loaded["tasks"][leaf])
            metrics = metrics_of(found["results"][leaf])
            board.complete(metrics, means, clustered=clustered)
            results[self.called(leaf)]["metrics"] = metrics
        for group in found.get("groups", {}):
            name = self.name if self.name and group == self.suite.name else group
            metrics = metrics_of(found["results"][group])
            with_intervals(metrics, clustered=clustered)
            results[name] = groups[name] = {"metrics": metrics}


class KeptAnswers:
    """What earlier attempts have asked, by task and row; what is asked now is added to it."""

    def __init__(self, context: FlowContext, entries: Sequence[Entry]) -> None:
        self.answers: dict[str, dict[int, Any]] = {}
        self._kept: dict[str, list[Kept]] = {}
        for entry in entries:
            for leaf in entry.suite.leaves:
                name = entry.called(leaf)
                if name in self.answers:
                    message = f"two tasks of the config come to {name}: each needs a name"
                    raise EvaluationError("flow", message, task=name)
                self.answers[name] = {}
                self._kept[name] = list(self._read(name, context))

    def of(self, task: str) -> Iterator[Kept]:
        """The samples of a task that need not be asked again."""
        return iter(self._kept[task])

    def _read(self, name: str, context: FlowContext) -> Iterator[Kept]:
        for kept in context.kept(name):
            if kept.error is None:
                if (given := recalled(kept.sample)) is None:
                    continue  # too long to have been kept
                self.answers[name][kept.index] = given
            yield kept


def task_of(config: Document, task: Document) -> str:
    """The name that lm-eval has for a task of a config."""
    kind = str(task.get("type") or "default")
    if kind == "default":
        kind = str(config["type"])
    return ALIASES.get(kind, kind)
