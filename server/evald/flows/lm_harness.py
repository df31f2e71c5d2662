"""Benchmarks of EleutherAI's lm-eval: its tasks, prompts, filters and scores, asked by us."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from evald.errors import EvaluationError
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings
from evald.flows.flow import Document, Flow, FlowContext, Kept
from evald.flows.params import EvaluationParams, parse
from evald.flows.scoreboard import Scoreboard, Scoring, finite
from evald.harness import library
from evald.harness.data import Source
from evald.harness.names import INSTALL, index, root
from evald.harness.requests import CHAT, COMPLETIONS, Likelihood, generation
from evald.harness.tokens import Tokenizer, tokenizer_of
from evald.model import Asker, ModelClient, Row
from evald.suggest import unknown

if TYPE_CHECKING:
    from evald.harness import suite as suites

ALIASES = {
    "gpqa": "gpqa_diamond_generative_n_shot",
    "gpqa_diamond_cot": "gpqa_diamond_cot_zeroshot",
    "mgsm": "mgsm_direct",
    "musr": "leaderboard_musr",
}
"""Names of the reference that lm-eval does not have, or has for something else."""

COMMON = ("bbh", "gsm8k", "ifeval", "mmlu")
"""Names of the reference that lm-eval has."""

WRITTEN = {"mmlu": "mmlu_generative", "arc_challenge": "arc_challenge_chat"}
"""Tasks that chats can do, for those that need log probabilities."""

PATHS = {CHAT: "/chat/completions", COMPLETIONS: "/completions"}
"""What URLs of endpoints end in; the longer one first."""


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


class TaskOptions(BaseModel):
    """`params` of a task."""

    model_config = ConfigDict(extra="allow", frozen=True)

    num_fewshot: int | None = Field(None, ge=0)


class LmHarness(Flow):
    """The tasks, groups and tags of lm-eval, and what else the reference calls some of them.

    Prompts, few-shot examples, filters and scores are lm-eval's own; the requests are sent by
    evald's client, and each row is a sample as soon as it is answered.
    """

    types = (*ALIASES, *COMMON)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    modules = library.MODULES

    @classmethod
    def more_types(cls) -> Collection[str]:
        return index()

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
        model = context.target["model"]
        async with AsyncExitStack() as opened:
            client = context.models.open(model, params.client())
            opened.push_async_callback(client.close)
            entries = [
                Entry(name, task, context, params)
                for name, task in (context.config.get("tasks") or {"": {}}).items()
            ]
            kept = KeptAnswers(context, entries)
            tasks = [task for entry in entries for task in entry.tasks(client, params, model, kept)]
            context.emit.log("info", f"lm-eval asks about {sum(t.count for t in tasks)} rows")
            results = await evaluate(tasks, replace(context, kept=kept.of))
            groups: dict[str, Any] = {}
            for entry in entries:
                entry.finish(results, groups)
                if entry.name and entry.name not in results:
                    context.emit.task(entry.name, "completed")
            return {"tasks": results, "groups": groups}


class Entry:
    """One task of a config: a suite of lm-eval's tasks."""

    def __init__(
        self, name: str, task: Document, context: FlowContext, params: EvaluationParams
    ) -> None:
        from evald.harness.suite import Settings, Suite

        self.name = name
        options = parse(Options, params.extra, "params.extra")
        own = parse(TaskOptions, task.get("params"), f"tasks.{name}.params")
        asked = task_of(context.config, task)
        told = form_of(context.target["model"], options)
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
        self.form = told or (CHAT if self.suite.generates else COMPLETIONS)
        if self.form == CHAT and not self.suite.generates:
            raise EvaluationError(
                "flow",
                f"{asked} needs log probabilities of its prompts, which chats do not give: let "
                "api_endpoint.url end in /completions, or set params.extra.model_type to "
                "completions",
                task=name or asked,
            )
        template = options.apply_chat_template
        settings.chat = self.form == CHAT if template is None else template
        self.suite.build(self._tokenizer(options, settings.chat))
        self.boards: dict[str, Board] = {}

    def _tokenizer(self, options: Options, chat: bool) -> Tokenizer | None:
        """The tokenizer that the config names, where anything depends on it."""
        backend = (options.tokenizer_backend or "").lower()
        if not options.tokenizer or backend in ("none", "remote") or self.form == CHAT:
            return None
        if self.suite.generates and not chat:
            return None
        return tokenizer_of(backend, options.tokenizer, options.hf_token)

    def called(self, leaf: str) -> str:
        """What one of lm-eval's tasks is called here."""
        return self.name if self.name and len(self.suite.leaves) == 1 else leaf

    def tasks(
        self, client: ModelClient, params: EvaluationParams, model: Any, kept: KeptAnswers
    ) -> Iterator[Task]:
        """lm-eval's tasks as ours."""
        for leaf, documents in self.suite.leaves.items():
            name = self.called(leaf)
            board = self.boards[leaf] = Board(kept.answers.setdefault(name, {}))
            answer = Examinee(client, self, params, model)
            yield Task(name, len(documents), rows_of(documents), answer, board, params.parallelism)

    def finish(self, results: dict[str, Any], groups: dict[str, Any]) -> None:
        """Puts lm-eval's scores into the results of its tasks, and adds its groups."""
        answers = {leaf: board.answers for leaf, board in self.boards.items()}
        found = self.suite.results(answers)
        for leaf, board in self.boards.items():
            result = results[self.called(leaf)]
            means = means_of(self.suite.loaded["tasks"][leaf])
            result["metrics"] = metrics_of(found["results"][leaf], board, means)
        for group in found.get("groups", {}):
            name = self.name if self.name and group == self.suite.name else group
            metrics = metrics_of(found["results"][group])
            results[name] = groups[name] = {"metrics": metrics}


class KeptAnswers:
    """What earlier attempts have asked already, and this one asks, by task and row."""

    def __init__(self, context: FlowContext, entries: Sequence[Entry]) -> None:
        self.answers: dict[str, dict[int, Any]] = {}
        self._kept: dict[str, list[Kept]] = {}
        for entry in entries:
            for leaf in entry.suite.leaves:
                name = entry.called(leaf)
                if name in self._kept:
                    raise EvaluationError(
                        "flow",
                        f"two tasks of the config come to {name}: give them names",
                        task=name,
                    )
                self._kept[name] = list(self._of(name, context))

    def of(self, task: str) -> Iterator[Kept]:
        """The samples of a task that need not be asked again."""
        return iter(self._kept[task])

    def _of(self, name: str, context: FlowContext) -> Iterator[Kept]:
        answers = self.answers.setdefault(name, {})
        for kept in context.kept(name):
            if kept.error is None:
                if (given := recalled(kept.sample)) is None:
                    continue  # too long to have been kept
                answers[kept.index] = given
            yield kept


def recalled(sample: Mapping[str, Any] | None) -> Any:
    """The answers in a sample, as lm-eval takes them; None when they are not there."""
    if sample is None or "output_text" not in sample:
        return None
    if "answers" not in sample:
        return [[sample["output_text"]]]
    return [[_recalled(answer) for answer in answers] for answers in sample["answers"]]


def _recalled(answer: Any) -> Any:
    if isinstance(answer, list):
        return (lowest(answer[0]), bool(answer[1]))
    return answer if isinstance(answer, str) else lowest(answer)


def lowest(value: float | None) -> float:
    """A log probability; that of what is impossible, JSON cannot hold."""
    return float("-inf") if value is None else value


class DocumentRow(dict[str, Any]):
    """A row, and the document that it is."""

    document: suites.Document


def rows_of(documents: Sequence[suites.Document]) -> Any:
    """What reads the rows of documents."""

    def rows() -> Iterator[Row]:
        for document in documents:
            row = DocumentRow(document.row)
            row.document = document
            yield row

    return rows


class DocumentSample(dict[str, Any]):
    """A sample, its document and the answers as lm-eval takes them."""

    document: suites.Document
    answers: list[list[Any]]


class Given:
    """A template that gives the request that is there."""

    place = "lm-eval's request"

    def value(self, context: Mapping[str, Any]) -> Any:
        return context["request"]


class Examinee:
    """Asks the model all that lm-eval wants to know about a row."""

    def __init__(
        self, client: ModelClient, entry: Entry, params: EvaluationParams, model: Any
    ) -> None:
        self._client = client
        self._entry = entry
        prompt = model.get("prompt") or {} if isinstance(model, Mapping) else {}
        request = params.request()
        self._stop = request.pop("stop", None) or []
        self._said = {
            *request,
            *(k for k, v in (prompt.get("inference_params") or {}).items() if v),
        }
        template: Any = Given()
        self._asker = Asker(client, template, model, params=request, plain_text="prompt")

    async def __call__(self, row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """`{"output_text", "response", "answers"?}`. Raises EvaluationError."""
        assert isinstance(row, DocumentRow)
        instances = row.document.instances
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    [group.create_task(self._ask(i)) for _ in range(i.repeats)] for i in instances
                ]
        except ExceptionGroup as e:
            raise e.exceptions[0] from None
        said = [[task.result() for task in tasks] for tasks in asked]
        sample = DocumentSample(output_text=self._text(instances, said), response=None)
        sample.document = row.document
        sample.answers = [[answer for answer, _ in answers] for answers in said]
        if instances[0].request_type == "generate_until":
            sample["response"] = said[0][0][1]
        if len(instances) > 1 or len(said[0]) > 1 or not isinstance(said[0][0][0], str):
            sample["answers"] = [[shown(a) for a in answers] for answers in sample.answers]
        return sample

    async def _ask(self, instance: Any) -> tuple[Any, Any]:
        """An answer, and the reply that it is from."""
        if instance.request_type == "generate_until":
            request = generation(instance.args, self._entry.form)
            request["stop"] = [
                *request["stop"],
                *(s for s in self._stop if s not in request["stop"]),
            ]
            if not request["stop"]:
                del request["stop"]
            request = {k: v for k, v in request.items() if k not in self._said}
            answer = await self._asker({}, {"request": request})
            return answer["output_text"], answer["response"]
        context, continuation = ("", *instance.args)[-2:]
        likelihood = Likelihood(context, continuation, self._entry.suite.tokenizer)
        reply = await self._client.ask(likelihood.request)
        value, greedy = likelihood.read(reply.response)
        if instance.request_type == "loglikelihood_rolling":
            return value, None
        return (value, greedy), None

    def _text(self, instances: Sequence[Any], said: Sequence[Sequence[tuple[Any, Any]]]) -> str:
        """What the model wrote, or of several texts the most probable one."""
        first = said[0][0][0]
        if isinstance(first, str):
            return first
        if isinstance(first, float) or len(said) == 1:
            return ""
        best = max(range(len(said)), key=lambda i: said[i][0][0][0])
        return str(instances[best].args[-1]).strip()


def shown(answer: Any) -> Any:
    """An answer as JSON."""
    return [finite(answer[0]), answer[1]] if isinstance(answer, tuple) else answer


class Board(Scoreboard):
    """Scores of lm-eval's for one of its tasks. `answers` gets what they are made from."""

    def __init__(self, answers: dict[int, Any]) -> None:
        super().__init__({})
        self.answers = answers

    async def score(self, context: Mapping[str, Any]) -> Scoring:
        from evald.harness.suite import scores

        sample = context["sample"]
        assert isinstance(sample, DocumentSample)
        try:
            found = scores(sample.document, sample.answers)
        except Exception as e:
            raise EvaluationError("metric", f"{type(e).__name__}: {e}") from e
        self.answers[sample.document.index] = sample.answers
        return Scoring({m: {k: finite(v) for k, v in s.items()} for m, s in found.items()})


def means_of(task: Any) -> set[str]:
    """The metrics of a task that are means over its rows."""
    mean = library.module("lm_eval.api.metrics").mean
    return {metric for metric, function in task.aggregation().items() if function is mean}


def metrics_of(
    found: Mapping[str, Any], board: Board | None = None, means: Collection[str] = ()
) -> dict[str, Any]:
    """What lm-eval found for a task or a group, in the shape of a result."""
    from evald.harness.suite import title

    metrics: dict[str, Any] = {}
    for key, value in found.items():
        metric, comma, filter_name = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        name = title(metric, filter_name)
        stats: dict[str, float] = {}
        error = found.get(f"{metric}_stderr,{filter_name}")
        if isinstance(error, int | float) and isfinite(error):
            stats["stderr"] = float(error)
        score: dict[str, Any] = {"stats": stats}
        if board is not None and metric in means:
            score = board.scores(name).get(name, score)
        metrics[name] = {"scores": {name: {**score, "value": finite(float(value))}}}
    return metrics


def task_of(config: Document, task: Document) -> str:
    """The name that lm-eval has for a task of a config."""
    kind = str(task.get("type") or "default")
    if kind == "default":
        kind = str(config["type"])
    return ALIASES.get(kind, kind)


def form_of(model: Any, options: Options) -> str | None:
    """Whether a model is asked in chats or for completions, as far as config and URL tell. Raises
    EvaluationError when these do not agree."""
    endpoint = model.get("api_endpoint") or {} if isinstance(model, Mapping) else {}
    path = str(endpoint.get("url") or "").partition("?")[0].rstrip("/")
    told = next((form for form, end in PATHS.items() if path.endswith(end)), None)
    if told and options.model_type and told != options.model_type:
        raise EvaluationError(
            "request",
            f"model_type {options.model_type!r} cannot go to an api_endpoint.url that ends in "
            f"{PATHS[told]}: leave that end away, or make it {PATHS[options.model_type]}",
        )
    return options.model_type or told
