"""Benchmarks of safety: answers to prompts that invite harm, rated by a judge of safety."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from evald.errors import EvaluationError
from evald.flows.chat import asked_in, benchmark_asker
from evald.flows.evaluation import Task, evaluate
from evald.flows.findings import Findings, check_benchmark_tasks
from evald.flows.flow import Document, Flow, FlowContext
from evald.flows.judge import Judge, JudgeExtra, parse_judge
from evald.flows.params import EvaluationParams, cluster_field, parse
from evald.flows.published import Published
from evald.flows.scoreboard import Scoreboard
from evald.guard import GuardedSandbox
from evald.metrics.metric import Metric, Scored
from evald.model import CHAT, COMPLETIONS, Asker
from evald.safety.catalog import GUARDS
from evald.safety.guard import Guard, Verdict
from evald.templates import Templates

SAMPLING = {"temperature": 0.6, "top_p": 0.95}
"""Of the answers, unless the config says otherwise."""

MAX_TOKENS = 1024
"""Of a completion, where nobody says how many: endpoints stop at 16 by themselves."""

RATE = "safety_rate"


class SafetyExtra(JudgeExtra):
    """What safety benchmarks read of `params.extra`."""

    hf_token: str | None = None


class Safety(Flow):
    """Aegis 2.0 and WildGuardTest: the model answers their prompts, and a judge of safety says
    which answers are safe.

    `safety_rate` is the part of answers that are. The task's `data` has the rate of refusals, of
    safe prompts, of each category of harm that the judge tells, and safety by kind of prompt.
    """

    types = tuple(GUARDS)
    targets = {"*": ("model",)}  # noqa: RUF012, declared a ClassVar by Flow
    scores = (RATE,)
    Extra = SafetyExtra

    def check(self, config: Document) -> None:
        findings = Findings()
        params = EvaluationParams()
        with findings.gather():
            params = parse(EvaluationParams, config.get("params"), "params")
        with findings.gather():
            parse_judge(config)
        token = params.extra.get("hf_token")
        if token is not None and not isinstance(token, str):
            findings.add("params.extra.hf_token", "it must be a text")
        check_benchmark_tasks(findings, config)
        findings.raise_any()

    async def run(self, context: FlowContext) -> dict[str, Any]:
        config = context.config
        kind = config["type"]
        guard, form = GUARDS[kind]
        params = parse(EvaluationParams, config.get("params"), "params")
        async with AsyncExitStack() as opened:
            asker = asker_of(context, params, form, opened)
            judge = Judge(parse_judge(config), context, opened, form=COMPLETIONS)
            judged = Judged(guard, judge)
            tasks = []
            for name, task in (config.get("tasks") or {kind: {}}).items():
                prompts = Published(
                    name,
                    context,
                    guard.files,
                    guard.read,
                    given=task.get("dataset"),
                    token=params.extra.get("hf_token"),
                    limit=params.limit_samples,
                )
                board = SafetyBoard({RATE: judged})
                count = prompts.count()
                cluster = cluster_field(task, f"tasks.{name}")
                tasks.append(
                    Task(name, count, prompts.rows, asker, board, params.parallelism, cluster)
                )
            return {"tasks": await evaluate(tasks, context), "groups": {}}


class Judged(Metric):
    """Asks the judge about each answer. A reply that does not say is no value, and a problem of
    kind `judge`; every reply is kept."""

    type = ""

    def __init__(self, guard: Guard, judge: Judge) -> None:
        self._guard = guard
        templates = Templates("judge", GuardedSandbox(fences=False))
        source = guard.question
        if judge.form == COMPLETIONS:
            source = guard.wrapper % source.strip()
        self._asker = judge.asker(templates.compile(source, "question"))
        begun = templates.compile(source + "{{ beginning }}", "question")
        self._begun = judge.asker(begun) if judge.form == COMPLETIONS else None

    async def score(self, context: Mapping[str, Any]) -> Scored:
        item, answer = context["item"], context["sample"]["output_text"]
        if not answer.strip():
            raise EvaluationError("response", "the model's reply is empty: there is no answer")
        seen = {"prompt": item["prompt"], "answer": answer}
        replies = [await self._asker.text(seen)]
        if self._begun and (beginning := self._guard.beginning(replies[0])):
            rest = await self._begun.text({**seen, "beginning": beginning})
            replies.append(rest if rest.lstrip().startswith("{") else beginning + rest)
        try:
            verdict = self._guard.verdict(replies[-1])
        except EvaluationError as e:
            return Scored({RATE: None}, notes=replies, problem=e)
        return Scored(self._values(item, verdict), notes=replies)

    def _values(self, item: Mapping[str, Any], verdict: Verdict) -> dict[str, float | None]:
        safe = float(verdict.safe)
        values: dict[str, float | None] = {RATE: safe}
        if verdict.safe_prompt is not None:
            values["safe_prompt_rate"] = float(verdict.safe_prompt)
        if verdict.refusal is not None:
            values["refusal_rate"] = float(verdict.refusal)
        for name in self._guard.known:
            values[f"categories/{name}"] = float(name in verdict.categories)
        for group, name in self._guard.groups(item).items():
            values[f"safety_rate_by_{group}/{name}"] = safe
        return values


class SafetyBoard(Scoreboard):
    """Shows what is no score of the benchmark itself in the task's `data`."""

    def result(self, task: str) -> dict[str, Any]:
        found = super().result(task)
        scores = found["metrics"][RATE]["scores"]
        data: dict[str, Any] = {}
        for name in [name for name in scores if name != RATE]:
            value = scores.pop(name)["value"]
            group, _, member = name.partition("/")
            if member:
                data.setdefault(group, {})[member] = value
            else:
                data[name] = value
        return {**found, "data": {**found.get("data", {}), **data}} if data else found


def asker_of(
    context: FlowContext, params: EvaluationParams, form: str | None, opened: AsyncExitStack
) -> Asker:
    """Asks the model each prompt as it is. Raises EvaluationError when its URL is for another form
    than the benchmark's."""
    forms = (form,) if form else (CHAT, COMPLETIONS)
    asked = asked_in(context.target["model"], context.config["type"], forms) or CHAT
    return benchmark_asker(
        context,
        params,
        opened,
        template=Templates().compile("{{ item.prompt }}", "prompt"),
        form=asked,
        defaults=SAMPLING | ({"max_tokens": MAX_TOKENS} if asked == COMPLETIONS else {}),
    )
