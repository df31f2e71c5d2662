"""Tasks that look for a better prompt, and tell how much better it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

from evald.errors import EvaluationError, InvalidArgument
from evald.flows.chat import opened_client
from evald.flows.evaluation import Evaluation, Progress, Task, cluster_number
from evald.flows.flow import Document, FlowContext, Kept, SampleRecord
from evald.flows.optimizer import Optimizer, OptimizerParams, Prompt, Split
from evald.flows.params import EvaluationParams, TaskParams, limited, parse
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.flows.signature import Signature
from evald.flows.usage import Usage, tokens_of
from evald.model import AsGiven, Asker, ModelClient, Reply, Row
from evald.templates import Templates, context_of

MOST_ROWS = 100_000
"""Rows of a task; they are held, since examples are drawn from them."""

CHOSEN = "optimized_prompt"
"""Where samples have the prompt that was found, so that another attempt goes on with it."""

OWN = ("seconds", "retries", "usage", CHOSEN)
"""What samples have besides the fields that come out."""


class OptimizationParams(TaskParams):
    """`params` of a task of type `prompt-optimization`."""

    optimizer: OptimizerParams


def check_optimization(task: Document, path: str) -> None:
    """Checks the params of the task at `path`. Raises InvalidArgument."""
    params = parse(OptimizationParams, task.get("params") or {}, f"{path}.params")
    field = f"{path}.params.optimizer.signature"
    signature = Signature.parse(params.optimizer.signature, field)
    if taken := [name for name in signature.outputs if name in OWN]:
        raise InvalidArgument.of(
            field, f"{taken[0]} is what every sample has: give what comes out another name"
        )


class Optimization:
    """A task that judges the config's own instruction and the best prompt found, on rows that no
    example is drawn from; nor do these choose the prompt where there are enough, by Split. `board`
    makes a scoreboard that counts usage in what it is given.

    Samples are those of both prompts, one after the other; what is tried in between is not kept,
    but counts in the usage. An attempt that finds samples of a prompt found before it goes on with
    that one, and does not know what the search took.
    """

    def __init__(
        self,
        name: str,
        rows: Sequence[Row],
        params: OptimizerParams,
        client: ModelClient,
        model: Mapping[str, Any] | str,
        requests: Mapping[str, Any],
        board: Callable[[Usage], Scoreboard],
        cluster: str | None = None,
    ) -> None:
        split = Split.of(groups_of(rows, cluster), params.seed)
        self.name = name
        self._rows = rows
        self._held_out = split.held_out
        self._tried_on = [rows[i] for i in split.choosing]
        self._judged_on = [rows[i] for i in split.judging]
        self._usage = Usage()
        self._signature = Signature.parse(params.signature, "signature")
        self._parallelism = client.parallelism
        self._asker = asker(client, model, requests)
        # What the config says of answers, that they are short or always the same, is not for these.
        self._proposer = asker(Counted(client, self._usage), model, {})
        self._board = board
        self._cluster = cluster
        self._baseline = Prompt(params.instruction)
        drawn = [rows[i] for i in split.examples]
        self._optimizer = Optimizer(params, self._signature, drawn)

    @property
    def count(self) -> int:
        return 2 * len(self._judged_on) + self._optimizer.evaluations(len(self._tried_on))

    async def evaluate(self, context: FlowContext, progress: Progress) -> dict[str, Any]:
        """Answers the scores `baseline` and `optimized` of each metric, both prompts, and whether
        the rows judged were `held_out` when the prompt was chosen. Raises EvaluationError."""
        rows, tried_on = self._judged_on, self._tried_on

        def kept(task: str) -> Iterator[Kept]:
            return (one for one in context.kept(task) if one.index < len(rows))

        def later(task: str) -> Iterator[Kept]:
            found = (one for one in context.kept(task) if one.index >= len(rows))
            return (replace(one, index=one.index - len(rows)) for one in found)

        first = replace(context, kept=kept)
        baseline = await self._judge(self._baseline, rows, first, progress)

        async def judged(prompt: Prompt, chosen: Sequence[int]) -> float:
            silent = replace(context, emit=Held(context), kept=nothing)
            board = await self._judge(prompt, [tried_on[i] for i in chosen], silent, progress)
            return board.mean

        known = self._chosen(later(self.name))
        best = known or await self._optimizer.search(self._proposer, judged, len(tried_on))
        held = Held(context)
        final = replace(context, emit=held, kept=later if known else nothing)
        optimized = await self._judge(best, rows, final, progress)
        chosen = {
            "instruction": best.instruction,
            "examples": [self._rows.index(demo) for demo in best.demos],
        }
        for record in held.samples:
            sample = {**(record.sample or {}), CHOSEN: chosen}
            context.emit.sample(replace(record, index=len(rows) + record.index, sample=sample))
        results = [board.result(self.name) for board in (baseline, optimized)]
        data: dict[str, Any] = {
            "baseline_prompt": self._baseline.text(self._signature),
            "optimized_prompt": best.text(self._signature),
            "held_out": self._held_out,
            "usage": self._usage.document(),
        }
        errors: Counter[str] = Counter()
        for result in results:
            errors.update(result["data"].get("errors", {}))
        if errors:
            data["errors"] = dict(errors)
        return {"metrics": side_by_side(*results), "data": data}

    def _chosen(self, kept: Iterator[Kept]) -> Prompt | None:
        """The prompt that samples of an earlier attempt have."""
        found = ((one.sample or {}).get(CHOSEN) for one in kept)
        if said := next(filter(None, found), None):
            return Prompt(said["instruction"], tuple(self._rows[i] for i in said["examples"]))
        return None

    async def _judge(
        self, prompt: Prompt, rows: Sequence[Row], context: FlowContext, progress: Progress
    ) -> Scoreboard:
        """The scores of a prompt on rows."""

        async def answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
            messages = prompt.messages(self._signature, row)
            answer = await self._asker(row, {"request": {"messages": messages}})
            read = self._signature.read(answer["output_text"])
            if "response" in read:  # what comes out is called so: the usage stands beside it
                read["usage"] = [answer["response"].get("usage")]
            return {**answer, **read}

        board = self._board(self._usage)
        task = Task(
            self.name,
            len(rows),
            lambda: iter(rows),
            answer,
            board,
            self._parallelism,
            self._cluster,
        )
        await Evaluation(task, context, progress).run()
        return board


def groups_of(rows: Sequence[Row], cluster: str | None) -> list[list[int]]:
    """Numbers of the rows that belong together by the field `cluster`, and of each row alone that
    has none."""
    groups: dict[Any, list[int]] = {}
    for i, row in enumerate(rows):
        key: Any = (i,)
        if cluster is not None:
            with suppress(EvaluationError):
                key = cluster_number(row, context_of(row)["item"], cluster)
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def asker(client: ModelClient, model: Mapping[str, Any] | str, params: Mapping[str, Any]) -> Asker:
    """Asks a model in chats, as it says itself and as `params` say."""
    return Asker(client, AsGiven(), model, params=params, plain_text="messages")


class Counted:
    """A client whose replies count in a usage."""

    def __init__(self, client: ModelClient, usage: Usage) -> None:
        self._client = client
        self._usage = usage

    @property
    def parallelism(self) -> int:
        return self._client.parallelism

    async def ask(self, request: Mapping[str, Any]) -> Reply:
        reply = await self._client.ask(request)
        self._usage.add([reply.seconds, reply.retries, *tokens_of([reply.response.get("usage")])])
        return reply

    async def close(self) -> None:
        await self._client.close()


class Held:
    """An Emit that keeps samples to itself."""

    def __init__(self, context: FlowContext) -> None:
        self.samples: list[SampleRecord] = []
        self._emit = context.emit

    def sample(self, record: SampleRecord) -> None:
        self.samples.append(record)

    def progress(self, processed: int, total: int | None, others: int = 0) -> None: ...

    def task(self, name: str, status: str) -> None: ...

    def log(self, level: str, message: str) -> None:
        self._emit.log(level, message)


def nothing(task: str) -> Any:
    """What was kept of a prompt that was not tried before."""
    return iter(())


def side_by_side(baseline: Mapping[str, Any], optimized: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics with the scores `baseline` and `optimized`; of a metric with several scores each has
    the score's name before it."""
    metrics = {}
    for name, metric in baseline["metrics"].items():
        scores = {}
        for score, value in metric["scores"].items():
            before = f"{score}_" if len(metric["scores"]) > 1 else ""
            scores[f"{before}baseline"] = value
            scores[f"{before}optimized"] = optimized["metrics"][name]["scores"][score]
        metrics[name] = {"scores": scores}
    return metrics


def optimizing_task(
    name: str,
    task: Document,
    params: EvaluationParams,
    context: FlowContext,
    opened: AsyncExitStack,
) -> Optimization:
    """A task that optimises the prompt of the target's model. `opened` closes the client.

    Raises EvaluationError of kind `dataset` when there are too few rows, or too many to hold.
    """
    own = parse(OptimizationParams, task["params"], f"tasks.{name}.params")
    client = opened_client(context, params, opened)
    dataset = limited(task["dataset"], params.limit_samples)
    count = context.datasets.count(dataset)
    if not 2 <= count <= MOST_ROWS:
        raise EvaluationError(
            "dataset", f"it has {count} rows; optimisation takes 2 to {MOST_ROWS}", task=name
        )
    metrics = make_metrics(task["metrics"], Templates(), f"tasks.{name}.metrics")
    Scoreboard(metrics).open(context.models, params.client(), opened)
    rows = list(context.datasets.rows(dataset))

    def board(usage: Usage) -> Scoreboard:
        return Scoreboard(metrics, usage)

    requests = params.request()
    model = context.target["model"]
    return Optimization(name, rows, own.optimizer, client, model, requests, board, own.cluster)
