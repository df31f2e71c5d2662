"""Agents: what they said, which tools they called, and where they arrived."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from pydantic import Field, field_validator

from evald.agents.answer_accuracy import AnswerAccuracy
from evald.agents.goal_accuracy import GoalAccuracy, ReferenceGoalAccuracy
from evald.agents.metric import AgentMetric, read
from evald.agents.tool_call_accuracy import ToolCallAccuracy
from evald.agents.topic_adherence import Mode, TopicAdherence
from evald.agents.trajectory import Trajectory
from evald.errors import EvaluationError
from evald.flows.door import check_rows
from evald.flows.evaluation import Task, evaluate, no_answer
from evald.flows.findings import Findings
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.judge import FIELD, NEEDS_JUDGE, Judge, JudgeExtra, JudgeParams
from evald.flows.judged import Judged
from evald.flows.params import EvaluationParams, TaskParams, cluster_field, limited, parse
from evald.judging.question import Form, Question
from evald.suggest import unknown

METRICS: Mapping[str, type[AgentMetric[Any]]] = {
    "topic_adherence": TopicAdherence,
    "tool_call_accuracy": ToolCallAccuracy,
    "agent_goal_accuracy_with_reference": ReferenceGoalAccuracy,
    "agent_goal_accuracy_without_reference": GoalAccuracy,
    "answer_accuracy": AnswerAccuracy,
    "trajectory_evaluation": Trajectory,
    "trajectory": Trajectory,
}
"""What each task type measures; scores are named as the metric."""


class AgentTaskParams(TaskParams):
    """`params` of a task. `metric_mode` is for topic adherence, `strict_order` for tool calls;
    `trajectory_used_tools` names the tools that the agent had, `trajectory_custom_tools` says what
    some of them do."""

    judge: JudgeParams | None = None
    metric_mode: Mode = "f1"
    strict_order: bool = True
    trajectory_used_tools: list[str] = Field(default=[])
    trajectory_custom_tools: dict[str, str] = Field(default={})

    @field_validator("trajectory_used_tools", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    @property
    def tools(self) -> dict[str, str]:
        custom = self.trajectory_custom_tools
        return {**dict.fromkeys(self.trajectory_used_tools, ""), **custom}


class Agentic(Flow):
    """Metrics of agents on conversations that were recorded, one of them by each task.

    A task's type says what is measured. Rows are those of the target, in the dialect that says
    `role` or the one that says `type`; all of them are read before a judge is asked.
    """

    types = ("agentic",)
    targets = dict.fromkeys(METRICS, ("cached_outputs", "dataset"))
    scores = tuple(dict.fromkeys(metric.type for metric in METRICS.values()))
    task_params = dict.fromkeys(METRICS, AgentTaskParams)
    Extra = JudgeExtra

    def check(self, config: Document) -> None:
        findings = Findings()
        with findings.gather():
            parse(EvaluationParams, config.get("params"), "params")
        if not config.get("tasks"):
            findings.add("tasks", "say what to evaluate: at least one task")
        for name, task in (config.get("tasks") or {}).items():
            path = f"tasks.{name}"
            kind = task.get("type") or ""
            if kind not in METRICS:
                findings.add(f"{path}.type", unknown(kind, METRICS))
                continue
            with findings.gather():
                params = parse(AgentTaskParams, task.get("params"), f"{path}.params")
                if METRICS[kind] is ToolCallAccuracy:
                    continue
                given, field = judge_of(config, params, path)
                if given is None:
                    findings.add(field, NEEDS_JUDGE)
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        params = parse(EvaluationParams, config.get("params"), "params")
        dataset = limited(context.target[context.target["type"]], params.limit_samples)
        counts = {
            name: check_rows(
                context.datasets, dataset, partial(read, METRICS[task["type"]].form), name
            )
            for name, task in config["tasks"].items()
        }
        async with AsyncExitStack() as opened:
            tasks = []
            for name, task in config["tasks"].items():
                metric = await make_metric(name, task, context, opened)
                board = Judged({metric.type: metric})
                rows = partial(context.datasets.rows, dataset)
                cluster = cluster_field(task, f"tasks.{name}")
                tasks.append(
                    Task(name, counts[name], rows, no_answer, board, params.parallelism, cluster)
                )
            return {"tasks": await evaluate(tasks, context), "groups": {}}


def judge_of(
    config: Document, params: AgentTaskParams, path: str
) -> tuple[JudgeParams | None, str]:
    """The judge of the task at `path`, which may be one for all tasks, and where it is in the
    config. Raises InvalidArgument."""
    if params.judge is not None:
        return params.judge, f"{path}.params.judge"
    extra = (config.get("params") or {}).get("extra") or {}
    if extra.get("judge"):
        return parse(JudgeParams, extra["judge"], FIELD), FIELD
    return None, f"{path}.params.judge"


async def make_metric(
    name: str, task: Document, context: FlowContext, opened: AsyncExitStack
) -> AgentMetric[Any]:
    """The metric of a task. Raises EvaluationError when its judge was to be tried, and failed."""
    path = f"tasks.{name}"
    params = parse(AgentTaskParams, task.get("params"), f"{path}.params")
    made = METRICS[task["type"]]
    if made is ToolCallAccuracy:
        return ToolCallAccuracy(strict_order=params.strict_order)
    given, field = judge_of(context.config, params, path)
    assert given is not None, "checked"
    judge = Judge(given, context, opened, field)
    if given.extra.judge_sanity_check:
        await try_judge(judge, name)
    if made is TopicAdherence:
        return TopicAdherence(judge, mode=params.metric_mode)
    if made is Trajectory:
        return Trajectory(judge, tools=params.tools)
    simple: Any = made
    return simple(judge)  # type: ignore[no-any-return]


class Week(Form):
    days: int


EASY = """
How many days does a week have?
"""


async def try_judge(judge: Judge, task: str) -> None:
    """Asks a judge an easy question. Raises EvaluationError that says what to do when it does not
    answer that."""
    advice = "name another judge, or leave judge_sanity_check away to go on with this one"
    try:
        answer = await Question(judge, "sanity_check", EASY, Week, '{"days": 0}')()
    except EvaluationError as e:
        message = f"the judge failed its sanity check: {e.message}; {advice}"
        raise EvaluationError(e.kind, message, task=task) from None
    if answer.days != 7:
        message = f"the judge failed its sanity check: a week has {answer.days} days; {advice}"
        raise EvaluationError("judge", message, task=task)
