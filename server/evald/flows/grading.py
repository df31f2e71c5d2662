"""What a task of RAG measures: metrics that a judge reckons, and measures of what was retrieved."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from pydantic import Field

from evald.errors import InvalidArgument
from evald.flows.findings import Findings
from evald.flows.flow import Document, FlowContext
from evald.flows.judge import Judge, JudgeParams
from evald.flows.judged import Judged
from evald.flows.params import TaskParams, parse
from evald.flows.retriever import GENERIC as MEASURES
from evald.flows.retriever import PREFIX as MEASURE
from evald.flows.retriever import Wanted as WantedMeasure
from evald.flows.retriever import check_names, measure_of, metrics_of
from evald.metrics.metric import Metric
from evald.model import Embedder
from evald.rag.answering import PROMPT
from evald.rag.catalog import ALIASES, METRICS
from evald.rag.metric import Models, RagMetric
from evald.retrieval.measures import Measure
from evald.suggest import unknown
from evald.templates import Templates

PREFIX = "rag_"
"""What newer configs put before the names of these metrics."""

NAMESPACE = "rag."
"""What stands before their names in the results of tasks."""

GENERIC = "ragas"
"""A type for all of them, whose `params.metric` or name says which."""


CLIENT = {
    "judge_max_workers": "parallelism",
    "judge_max_retries": "max_retries",
    "judge_timeout": "request_timeout",
}
"""Params of a task, and what clients of the judge's models call them."""


class RagTaskParams(TaskParams):
    """`params` of a task. The judge is asked `judge_max_workers` questions at once, each for
    `judge_timeout` seconds a try. `template` is what the model is asked, with `question` and
    `contexts`."""

    judge_llm: dict[str, Any] | str | None = None
    judge_embeddings: dict[str, Any] | str | None = None
    judge_timeout: int = Field(300, ge=1)
    judge_max_retries: int = Field(5, ge=0, le=20)
    judge_max_workers: int = Field(16, ge=1, le=1024)
    template: Any = PROMPT

    def judge(self, path: str) -> JudgeParams | None:
        """The judge of the task at `path`. What the task says of it counts before what the judge's
        own config says, and that before the defaults. Raises InvalidArgument."""
        if self.judge_llm is None:
            return None
        said = self.model_dump(include=CLIENT.keys() & self.model_fields_set)
        given = {"model": self.judge_llm, "params": {CLIENT[key]: said[key] for key in said}}
        judge = parse(JudgeParams, given, f"{path}.params.judge_llm")
        return judge.model_copy(update={"params": {**self.client, **judge.params}})

    @property
    def client(self) -> dict[str, Any]:
        """What clients of the judge's models are opened with."""
        return {name: getattr(self, key) for key, name in CLIENT.items()}


class Wanted:
    """A metric that a task asks for. Raises InvalidArgument with paths below `field`."""

    def __init__(self, name: str, kind: str, config: Document, field: str) -> None:
        self.name = name.removeprefix(PREFIX)
        self.made: type[RagMetric] = METRICS[kind]
        self.params = parse(self.made.Params, config.get("params"), f"{field}.params")
        self.embeds = self.made.embeds(self.params)


class Grading:
    """What the task at `path` measures. Raises InvalidArgument with all that is wrong."""

    def __init__(self, task: Document, path: str) -> None:
        self._path = path
        self.params = parse(RagTaskParams, task.get("params"), f"{path}.params")
        self.metrics: list[Wanted] = []
        self.measures: list[WantedMeasure] = []
        findings = Findings()
        for name, config in (task.get("metrics") or {}).items():
            with findings.gather():
                self._add(name, config, f"{path}.metrics.{name}")
        for metrics in (self.metrics, self.measures):
            check_names(findings, f"{path}.metrics", [metric.name for metric in metrics])
        with findings.gather():
            Templates().compile(self.params.template, f"{path}.params.template")
        with findings.gather():
            self.params.judge(path)
        self._check_models(findings)
        findings.raise_any()

    @property
    def needs(self) -> set[str]:
        """Fields of a sample that the metrics read."""
        return {field for metric in self.metrics for field in metric.made.needs}

    def scoreboard(self, context: FlowContext, opened: AsyncExitStack) -> Judged:
        """Counts the scores of the task, whose models are open for the block."""
        models = Models(self._judge(context, opened), self._embedder(context, opened))
        judged: dict[str, Metric] = {
            f"{NAMESPACE}{m.name}": m.made(models, m.params) for m in self.metrics
        }
        return Judged({**metrics_of(self.measures), **judged})

    def _add(self, name: str, config: Document, field: str) -> None:
        kind = str(config.get("type") or "")
        if kind == GENERIC:
            kind = str((config.get("params") or {}).get("metric") or name)
        plain = kind.replace("-", "_").removeprefix(PREFIX)
        plain = ALIASES.get(plain, plain)
        if plain in METRICS:
            self.metrics.append(Wanted(name, plain, config, field))
        elif kind == MEASURES or kind.startswith(MEASURE) or is_measure(kind):
            self.measures.append(measure_of(name, config, field))
        else:
            raise InvalidArgument.of(f"{field}.type", unknown(kind, METRICS))

    def _check_models(self, findings: Findings) -> None:
        params, path = self.params, self._path
        asking = [m.name for m in self.metrics if m.made.asks_judge]
        if params.judge_llm is None and asking:
            findings.add(f"{path}.params.judge_llm", f"say which model judges {', '.join(asking)}")
        embedding = [m.name for m in self.metrics if m.embeds]
        if params.judge_embeddings is None and embedding:
            findings.add(
                f"{path}.params.judge_embeddings",
                f"say which model makes embeddings for {', '.join(embedding)}",
            )

    def _judge(self, context: FlowContext, opened: AsyncExitStack) -> Judge | None:
        judge = self.params.judge(self._path)
        return Judge(judge, context, opened, f"{self._path}.params.judge_llm") if judge else None

    def _embedder(self, context: FlowContext, opened: AsyncExitStack) -> Embedder | None:
        if self.params.judge_embeddings is None:
            return None
        client = context.models.embedder(self.params.judge_embeddings, self.params.client)
        opened.push_async_callback(client.close)
        return client


def is_measure(kind: str) -> bool:
    """Whether trec_eval has a measure of that name."""
    try:
        Measure.of(kind)
    except ValueError:
        return False
    return True
