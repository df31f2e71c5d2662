"""Names of measures, and their values beside pytrec_eval's own."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pytrec_eval import RelevanceEvaluator, supported_measures

from evald.errors import EvaluationError
from evald.retrieval.measures import CUT, DEPTH, WHOLE, Measure, TrecEval

NO_NUMBERS = {"runid", "relstring"}


def queries(count: int) -> Any:
    """Judgments of documents and what was found, drawn at random; some scores are alike."""
    drawn = random.Random(7)
    names = [f"d{i}" for i in range(40)]
    for _ in range(count):
        relevant = {n: drawn.choice((0, 0, 1, 2)) for n in drawn.sample(names, 12)}
        found = {n: round(drawn.random(), 1) for n in drawn.sample(names, 25)}
        yield relevant, found


def test_every_measure_is_known() -> None:
    assert {*CUT, *WHOLE} == set(supported_measures) - NO_NUMBERS


@pytest.mark.parametrize("name", [*CUT, *WHOLE, "recall_7", "ndcg_cut_3", "P_1", "map_cut_25"])
@pytest.mark.parametrize("level", [1, 2])
def test_values_are_those_of_pytrec_eval(name: str, level: int) -> None:
    metric = TrecEval(Measure.of(name), level)
    for relevant, found in queries(20):
        retrieved = [{"id": key, "score": score} for key, score in found.items()]
        context = {"item": {"relevant": relevant}, "sample": {"retrieved": retrieved}}
        theirs = RelevanceEvaluator({"x": relevant}, {name}, relevance_level=level)
        wanted = theirs.evaluate({"x": found})["x"]
        assert metric.score(context).values == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "measure", "depth"),
    [
        ("recall_5", "recall_5", 5), ("p_10", "P_10", 10), ("ndcg_cut.3", "ndcg_cut_3", 3),
        ("P@1", "P_1", 1), ("rprec", "Rprec", DEPTH), ("recall", "recall", 1000),
        ("success", "success", 10), ("map", "map", DEPTH), ("set_F", "set_F", DEPTH),
    ],
)  # fmt: skip
def test_names(name: str, measure: str, depth: int) -> None:
    assert Measure.of(name) == Measure(measure, depth)


@pytest.mark.parametrize("name", ["", "recall_", "recall_0", "recall_x", "all_trec", "P_5,10"])
def test_names_that_are_not_known(name: str) -> None:
    with pytest.raises(ValueError):
        Measure.of(name)


def test_a_query_without_judgments() -> None:
    context = {"item": {"relevant": {}}, "sample": {"retrieved": [{"id": "a", "score": 1.0}]}}
    with pytest.raises(EvaluationError, match="no judgments"):
        TrecEval(Measure.of("map")).score(context)


def test_nothing_was_found() -> None:
    context = {"item": {"relevant": {"a": 1}}, "sample": {"retrieved": []}}
    assert TrecEval(Measure.of("recall_5")).score(context).values == {"recall_5": 0.0}
