"""Scores of several categories together, as BFCL's leaderboard reckons them (version 4;
`bfcl_eval.eval_checker.eval_runner_helper.generate_leaderboard_csv`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

SIMPLE = ("simple", "java", "javascript")
NON_LIVE = ("multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
IRRELEVANCE = ("irrelevance", "live_irrelevance")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of a category: the share of right answers, and how many there are."""

    value: float
    count: int


def summaries(found: Mapping[str, Accuracy]) -> dict[str, float]:
    """The scores that the categories suffice for.

    `non_live_ast` is the mean of four, one of which is the mean of the simple calls in three
    languages; `live_ast` is weighted by the number of questions; `overall` is the mean of these two
    and `irrelevance`. To the leaderboard's overall accuracy they count 10 % each, multi-turn 30 %
    and agentic 40 %, which are not asked here.
    """
    made: dict[str, float] = {}
    if has(found, [*SIMPLE, *NON_LIVE]):
        simple = fmean(found[name].value for name in SIMPLE)
        made["non_live_ast"] = fmean([simple, *(found[name].value for name in NON_LIVE)])
    if has(found, LIVE):
        counts = [found[name].count for name in LIVE]
        made["live_ast"] = fmean([found[name].value for name in LIVE], counts)
    if has(found, IRRELEVANCE):
        made["irrelevance"] = fmean(found[name].value for name in IRRELEVANCE)
    if len(made) == 3:
        made["overall"] = fmean(made.values())
    return made


def has(found: Mapping[str, Accuracy], names: Iterable[str]) -> bool:
    return all(name in found for name in names)
