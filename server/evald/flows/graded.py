"""Answers to the questions of a benchmark, and their grades."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from evald.code.passk import pass_at
from evald.errors import EvaluationError
from evald.flows.members import Members
from evald.flows.repeats import merged
from evald.flows.scoreboard import Scoreboard
from evald.metrics.metric import Metric, Scored
from evald.model import Asker, Row
from evald.simple_evals.benchmark import SCORE, Tools, filled
from evald.simple_evals.catalog import Variant
from evald.statistics import cluster_of
from evald.tasks import together

MEMBER, PASS = "/", "pass@"
"""What the names of scores begin with that belong to a group of questions, or are estimates."""


class Repeated:
    """Asks a model each question a number of times."""

    def __init__(self, asker: Asker, variant: Variant, count: int) -> None:
        self._asker = asker
        self._variant = variant
        self._count = count

    async def __call__(self, row: Row, seen: Mapping[str, Any]) -> Mapping[str, Any]:
        """The first answer's `{"output_text"}`, and of all of them `answers`, and `response`,
        `seconds` and `retries` as if one request had asked for them. Raises EvaluationError."""
        benchmark = self._variant.benchmark
        template = self._variant.prompt or benchmark.template(row)
        asked = {**seen, "asked": filled(template, benchmark.values(row))}
        answers = await together(self._asker(row, asked) for _ in range(self._count))
        return {**merged(answers), "answers": [answer["output_text"] for answer in answers]}


class Graded(Metric):
    """Finds the answers in the replies to a question, and grades them. A reply without an answer is
    worth nothing; one that a judge does not grade is no value, and a problem of kind `judge`."""

    type = ""

    def __init__(self, variant: Variant, tools: Tools, count: int, passes: Sequence[int]) -> None:
        self._benchmark = variant.benchmark
        self._tools = tools
        self._name = "micro" if count == 1 else f"micro_avg_of_{count}"
        self._passes = passes
        self._patterns = [
            (re.compile(regex, re.MULTILINE | re.DOTALL), group)
            for regex, group in variant.patterns
        ]

    async def score(self, context: Mapping[str, Any]) -> Scored:
        item, replies = context["item"], context["sample"]["answers"]
        answers = [self._extract(item, reply) for reply in replies]
        try:
            graded = await together(self._grade(item, answer) for answer in answers)
        except EvaluationError as e:
            if e.kind != "judge":
                raise
            values = dict.fromkeys(self._names(item))
            return Scored(values, notes={"answers": answers}, problem=e)
        scores = [grades[SCORE] for grades in graded]
        counted = {
            name: fmean(grades.get(name, 0.0) for grades in graded)
            for name in self._benchmark.counted
        }
        groups = dict.fromkeys(self._benchmark.groups(item), fmean(scores))
        right = sum(score == 1.0 for score in scores)
        return Scored(
            {
                self._name: fmean(scores),
                **{f"{PASS}{k}": pass_at(k, len(scores), right) for k in self._passes},
                **{f"{MEMBER}{name}": value for name, value in {**groups, **counted}.items()},
            },
            parts=list(counted.values()),
            notes={"answers": answers, "scores": scores},
        )

    def _names(self, item: Row) -> Iterator[str]:
        """What has a value for a question that is graded."""
        yield self._name
        yield from (f"{PASS}{k}" for k in self._passes)
        yield from (f"{MEMBER}{name}" for name in self._benchmark.groups(item))
        yield from (f"{MEMBER}{name}" for name in self._benchmark.counted)

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        return self._benchmark.combine(dict(zip(self._benchmark.counted, parts, strict=True)))

    def _extract(self, item: Row, reply: str) -> str | None:
        if not self._patterns:
            return self._benchmark.extract(item, reply)
        reply = self._benchmark.plain(reply)
        for pattern, group in self._patterns:
            *_, last = [None, *pattern.finditer(reply)]
            if last and last[group]:
                return str(last[group]).strip()
        return None

    async def _grade(self, item: Row, answer: str | None) -> Mapping[str, float]:
        if not answer or not answer.strip():
            return {SCORE: 0.0}
        return await self._benchmark.grade(item, answer, self._tools)


class Grades(Scoreboard):
    """The scores of a benchmark, and those of its `members` by name."""

    def __init__(self, graded: Graded, macro: bool) -> None:
        super().__init__({SCORE: graded})
        self._macro = macro
        self._means = Members()
        self.members: dict[str, Any] = {}

    def add(
        self,
        scores: Mapping[str, Mapping[str, float | None]],
        parts: Mapping[str, Sequence[float]],
        error: Mapping[str, Any] | None = None,
        index: int | None = None,
    ) -> None:
        super().add(scores, parts, error, index)
        if self._macro and index is not None:
            values = {n: v for n, v in scores.get(SCORE, {}).items() if n.startswith(MEMBER)}
            self._means.add(values, index, cluster_of(parts))

    def result(self, task: str) -> dict[str, Any]:
        found = super().result(task)
        scores = found["metrics"][SCORE]["scores"]
        own = next(iter(scores))
        for name in list(scores):
            if name.startswith(PASS):
                found["metrics"][name] = {"scores": {name: scores.pop(name)}}
            elif name.startswith(MEMBER):
                self.members[name.removeprefix(MEMBER)] = {own: scores.pop(name)}
        values = [m[own]["value"] for m in self.members.values() if m[own]["value"] is not None]
        if self._macro and values:
            macro = own.replace("micro", "macro")
            known = self._means.known(lambda means: {macro: fmean(m.value for m in means.values())})
            scores[macro] = {"value": fmean(values), **known.get(macro, {})}
        return found
