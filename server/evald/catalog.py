"""What can be evaluated here: the installed flows and metrics."""

from __future__ import annotations

import inspect
from typing import Any

from evald import registry
from evald.flows.flow import Flow


def describe() -> dict[str, Any]:
    """Answers `{"object": "list", "data": [flow...], "metrics": [metric...]}`, in the shape of
    ListFlows."""
    flows = registry.flows().classes()
    metrics = registry.metrics().classes()
    return {
        "object": "list",
        "data": sorted(map(describe_flow, flows), key=lambda flow: str(flow["name"])),
        "metrics": [
            {
                "type": metric.type,
                "description": summary(metric),
                "params": metric.Params.model_json_schema(),
            }
            for metric in sorted(metrics, key=lambda metric: metric.type)
        ],
    }


def describe_flow(flow: type[Flow]) -> dict[str, Any]:
    metrics = registry.metrics().names() if flow.metrics is None else sorted(flow.metrics)
    missing = flow.missing()
    return {
        "name": name_of(flow),
        "description": summary(flow),
        "types": list(flow.types),
        "more_types": len({*flow.more_types()} - {*flow.types}),
        "tasks": [
            {"type": kind, "targets": list(targets)} for kind, targets in flow.targets.items()
        ],
        "metrics": metrics,
        "params": params_schema(flow),
        **({"missing": missing} if missing else {}),
    }


def name_of(flow: type[Flow]) -> str:
    return flow.__module__.rpartition(".")[2]


def params_schema(flow: type[Flow]) -> dict[str, Any]:
    """JSON schema of a config's `params`, with what the flow reads of `extra`."""
    schema = flow.Params.model_json_schema()
    if flow.Extra is not None:
        extra = flow.Extra.model_json_schema()
        schema["$defs"] = {**schema.get("$defs", {}), **extra.pop("$defs", {})}
        schema["properties"]["extra"] = extra
    return schema


def summary(described: type) -> str:
    """The first paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(described) or "").partition("\n\n")[0].split())
