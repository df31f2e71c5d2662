"""Flows and metrics are found, and each of them keeps the rules of its kind."""

from __future__ import annotations

import inspect

import pytest

from evald import registry
from evald.flows.flow import Flow
from evald.metrics.metric import Metric, MetricParams
from evald.suggest import unknown

TARGETS = {"model", "cached_outputs", "retriever", "rag", "rows", "dataset"}


@pytest.mark.parametrize("name", registry.flows().names())
def test_each_flow(name: str) -> None:
    flow = registry.flows()[name]
    assert issubclass(flow, Flow)
    assert flow.__dict__.get("__doc__"), f"{flow.__name__} has no docstring"
    assert name in flow.types
    assert flow.targets
    assert {kind for kinds in flow.targets.values() for kind in kinds} <= TARGETS
    assert inspect.iscoroutinefunction(flow.run)


@pytest.mark.parametrize("name", registry.metrics().names())
def test_each_metric(name: str) -> None:
    metric = registry.metrics()[name]
    assert issubclass(metric, Metric)
    assert metric.__dict__.get("__doc__"), f"{metric.__name__} has no docstring"
    assert metric.type == name
    assert issubclass(metric.Params, MetricParams)
    assert metric.Params.__doc__, f"the Params of {metric.__name__} have no docstring"


def test_names() -> None:
    assert {"custom", "similarity_metrics"} <= set(registry.flows().names())
    assert "bleu" in registry.metrics()
    assert "blue" not in registry.metrics()
    with pytest.raises(LookupError, match=r"did you mean 'bleu'\?"):
        registry.metrics()["blue"]


def test_what_is_unknown() -> None:
    assert unknown("x", []) == "'x' is not known (known: none)"
    many = [f"name-{n}" for n in range(1000)]
    assert unknown("nam-7", many) == "'nam-7' is not known; did you mean 'name-7'? (1,000 are)"
    assert unknown("eqals", ["equals", "contains"]) == (
        "'eqals' is not known; did you mean 'equals'? (known: equals, contains)"
    )
