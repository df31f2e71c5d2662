"""What can be evaluated here: the installed flows and metrics."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel

from evald import registry
from evald.flows.flow import Flow
from evald.flows.params import TaskParams


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
                "params": schema_of(metric.Params),
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
            {
                "type": kind,
                "targets": list(targets),
                "params": schema_of(flow.task_params.get(kind, TaskParams)),
            }
            for kind, targets in flow.targets.items()
        ],
        "metrics": metrics,
        "scores": list(flow.scores),
        "params": params_schema(flow),
        **({"missing": missing} if missing else {}),
        **({"extra": flow.extra} if flow.extra else {}),
    }


def name_of(flow: type[Flow]) -> str:
    return flow.__module__.rpartition(".")[2]


def params_schema(flow: type[Flow]) -> dict[str, Any]:
    """JSON schema of a config's `params`, with what the flow reads of `extra`."""
    schema = schema_of(flow.Params)
    if flow.Extra is not None:
        extra = schema_of(flow.Extra)
        schema["$defs"] = {**schema.get("$defs", {}), **extra.pop("$defs", {})}
        schema["properties"]["extra"] = extra
    return schema


def schema_of(params: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of params."""
    schema: dict[str, Any] = plain(params.model_json_schema())
    return schema


def plain(schema: Any) -> Any:
    """A schema in which a member that may be null, which is as good as left away, and else is an
    object of one kind, is that object."""
    match schema:
        case {"anyOf": [{"$ref": ref}, {"type": "null"}], **rest}:
            return {"$ref": ref, **{k: v for k, v in rest.items() if k != "default"}}
        case dict():
            return {key: plain(value) for key, value in schema.items()}
        case list():
            return [plain(value) for value in schema]
    return schema


def summary(described: type) -> str:
    """The first paragraph of a docstring, as one line."""
    return " ".join((inspect.getdoc(described) or "").partition("\n\n")[0].split())
