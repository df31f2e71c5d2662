"""Tasks that look for a better prompt, and tell how much better it is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from evald.errors import EvaluationError
from evald.flows.evaluation import Evaluation, Progress, Task
from evald.flows.flow import Document, FlowContext, SampleRecord
from evald.flows.optimizer import Optimizer, OptimizerParams, Prompt
from evald.flows.params import EvaluationParams, limited, parse
from evald.flows.scoreboard import Scoreboard, make_metrics
from evald.flows.signature import Signature
from evald.model import ModelClient, Row
from evald.templates import Templates

MOST_ROWS = 100_000
"""Rows of a task; they are held, since examples are drawn from them."""

EXAMPLES = 5
"""Of so many rows one is for examples, the others are for judging."""


class OptimizationParams(BaseModel):
    """`params` of a task of type `prompt-optimization`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    optimizer: OptimizerParams


def check_optimization(task: Document, path: str) -> None:
    """Checks the params of the task at `path`. Raises InvalidArgument."""
    params = parse(OptimizationParams, task.get("params") or {}, f"{path}.params")
    Signature.parse(params.optimizer.signature, f"{path}.params.optimizer.signature")


class Optimization:
    """A task that judges the config's own instruction and the best prompt found, on rows that no
    example is drawn from. `board` makes a scoreboard.

    Samples are those of both prompts, one after the other; what is tried in between is not kept.
    """

    def __init__(
        self,
        name: str,
        rows: Sequence[Row],
        params: OptimizerParams,
        client: ModelClient,
        requests: Mapping[str, Any],
        board: Callable[[], Scoreboard],
    ) -> None:
        order = random.Random(params.seed).sample(range(len(rows)), len(rows))
        examples = set(order[: len(rows) // EXAMPLES])
        self.name = name
        self._judged_on = [row for i, row in enumerate(rows) if i not in examples]
        self._signature = Signature.parse(params.signature, "signature")
        self._client = client
        self._requests = requests
        self._board = board
        self._baseline = Prompt(params.instruction)
        drawn = [rows[i] for i in sorted(examples)]
        self._optimizer = Optimizer(params, self._signature, drawn)

    @property
    def count(self) -> int:
        judged_on = len(self._judged_on)
        return 2 * judged_on + self._optimizer.evaluations(judged_on)

    async def evaluate(self, context: FlowContext, progress: Progress) -> dict[str, Any]:
        """Answers the scores `baseline` and `optimized` of each metric, and both prompts. Raises
        EvaluationError."""
        rows = self._judged_on
        baseline = await self._judge(self._baseline, rows, context, progress)

        async def judged(prompt: Prompt, chosen: Sequence[int]) -> float:
            silent = replace(context, emit=Held(context), kept=nothing)
            board = await self._judge(prompt, [rows[i] for i in chosen], silent, progress)
            return board.mean

        best = await self._optimizer.search(self._client, judged, len(rows))
        held = Held(context)
        final = replace(context, emit=held, kept=nothing)
        optimized = await self._judge(best, rows, final, progress)
        for record in held.samples:
            context.emit.sample(replace(record, index=len(rows) + record.index))
        return {
            "metrics": side_by_side(baseline.result(self.name), optimized.result(self.name)),
            "data": {
                "baseline_prompt": self._baseline.text(self._signature),
                "optimized_prompt": best.text(self._signature),
            },
        }

    async def _judge(
        self, prompt: Prompt, rows: Sequence[Row], context: FlowContext, progress: Progress
    ) -> Scoreboard:
        """The scores of a prompt on rows."""

        async def answer(row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
            messages = prompt.messages(self._signature, row)
            reply = await self._client.ask({**self._requests, "messages": messages})
            read = self._signature.read(reply.text)
            return {"output_text": reply.text, "response": reply.response, **read}

        board = self._board()
        parallelism = self._client.parallelism
        task = Task(self.name, len(rows), lambda: iter(rows), answer, board, parallelism)
        await Evaluation(task, context, progress).run()
        return board


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
    optimizer = parse(OptimizationParams, task["params"], f"tasks.{name}.params").optimizer
    client = context.models.open(context.target["model"], params.client())
    opened.push_async_callback(client.close)
    dataset = limited(task["dataset"], params.limit_samples)
    count = context.datasets.count(dataset)
    if not 2 <= count <= MOST_ROWS:
        raise EvaluationError(
            "dataset", f"it has {count} rows; optimisation takes 2 to {MOST_ROWS}", task=name
        )
    metrics = make_metrics(task["metrics"], Templates(), f"tasks.{name}.metrics")
    Scoreboard(metrics).open(context.models, params.client(), opened)
    rows = list(context.datasets.rows(dataset))
    board = partial(Scoreboard, metrics)
    return Optimization(name, rows, optimizer, client, params.request(), board)
