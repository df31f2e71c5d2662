"""Measures of TREC, by pytrec_eval: their names, and the metric that reckons one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evald.errors import EvaluationError
from evald.metrics.metric import Metric, Scored
from evald.suggest import unknown

CUT = {
    "P": (5, 10, 15, 20, 30, 100, 200, 500, 1000),
    "recall": (5, 10, 15, 20, 30, 100, 200, 500, 1000),
    "ndcg_cut": (5, 10, 15, 20, 30, 100, 200, 500, 1000),
    "map_cut": (5, 10, 15, 20, 30, 100, 200, 500, 1000),
    "relative_P": (5, 10, 15, 20, 30, 100, 200, 500, 1000),
    "success": (1, 5, 10),
}
"""Measures of the first k documents, such as `recall_5`, and the k that count without one."""

WHOLE = (
    "11pt_avg", "G", "Rndcg", "Rprec", "Rprec_mult", "binG", "bpref", "gm_bpref", "gm_map", "infAP",
    "iprec_at_recall", "map", "ndcg", "ndcg_rel", "num_nonrel_judged_ret", "num_q", "num_rel",
    "num_rel_ret", "num_ret", "recip_rank", "set_F", "set_P", "set_map", "set_recall",
    "set_relative_P", "utility",
)  # fmt: skip
"""Measures of everything that was found."""

DEPTH = 100
"""How many documents are found for a measure that says no number."""

DEEPEST = 10_000
"""The greatest k."""

KNOWN = {name.lower(): name for name in (*CUT, *WHOLE)}

NUMBERED = re.compile(r"(\w+?)[._@](\d+)", re.ASCII)

EXAMPLES = tuple(f"{name}_{k}" for name in CUT for k in (1, 3, 5, 10, 20, 100))


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure as pytrec_eval names it, and how many documents have to be found for it."""

    name: str
    depth: int

    @classmethod
    def of(cls, name: str) -> Measure:
        """The measure of a name, in which capitals do not matter: `recall_5`, `map`, `p_10`.

        Raises ValueError, saying what is nearest.
        """
        if whole := KNOWN.get(name.lower()):
            return cls(whole, max(CUT.get(whole, (DEPTH,))))
        if found := NUMBERED.fullmatch(name):
            base, number = KNOWN.get(found[1].lower()), int(found[2])
            if base in CUT and 1 <= number <= DEEPEST:
                return cls(f"{base}_{number}", number)
            if base in CUT:
                raise ValueError(f"{name!r}: the number must be from 1 to {DEEPEST}")
            if (cut := f"{base}_cut") in CUT:
                raise ValueError(f"{name!r} is not known; did you mean '{cut}_{number}'?")
        shown = [f"{base}_K" for base in CUT]
        raise ValueError(unknown(name, [*shown, *CUT, *WHOLE], EXAMPLES))


class TrecEval(Metric):
    """One measure of the documents found for a query, by the C code of trec_eval.

    Van Gysel and de Rijke, "Pytrec_eval: An Extremely Fast Python Interface to trec_eval" (2018).
    Of measures whose mean is geometric, and of counts, the score of all queries is what
    pytrec_eval's own is: exp of the mean of the logarithms, and the sum.
    """

    def __init__(self, measure: Measure, relevance_level: int = 1) -> None:
        self._measure = measure.name
        self._level = relevance_level

    def score(self, context: Mapping[str, Any]) -> Scored:
        relevant = context["item"]["relevant"]
        found = {one["id"]: one["score"] for one in context["sample"]["retrieved"]}
        values = evaluate(self._measure, relevant, found, self._level)
        parts = (1.0, values[self._measure]) if combined(self._measure) else ()
        return Scored(values, parts)

    def combine(self, parts: Sequence[float]) -> Mapping[str, float]:
        count, total = parts
        return {self._measure: total if counts(self._measure) else math.exp(total / count)}


def evaluate(
    measure: str, relevant: Mapping[str, int], found: Mapping[str, float], level: int = 1
) -> dict[str, float]:
    """The values of a measure for one query: one, or one for each of its numbers. Raises
    EvaluationError of kind `metric`."""
    from pytrec_eval import RelevanceEvaluator

    evaluator = RelevanceEvaluator({"q": dict(relevant)}, {measure}, relevance_level=level)
    values = evaluator.evaluate({"q": dict(found)}).get("q")
    if not values:
        raise EvaluationError("metric", f"{measure}: the query has no judgments")
    return dict(values)


def counts(measure: str) -> bool:
    return measure.startswith("num_")


def combined(measure: str) -> bool:
    """Whether the score of all queries is not the mean of theirs."""
    return counts(measure) or measure.startswith("gm_")
