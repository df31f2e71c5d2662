"""What can be evaluated here: the installed flows and metrics, and the `evald flows` command."""

from __future__ import annotations

import argparse
import inspect
import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from evald import registry
from evald.errors import NotFound
from evald.flows.flow import Flow
from evald.settings import Settings
from evald.suggest import unknown
from evald.table import show

COLUMNS = ("flow", "config types", "targets", "needs")

SHOWN = 4
"""Config types that a table shows of a flow."""

WIDTH = 96
"""Columns of text on a terminal."""


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
        "name": flow.__module__.rpartition(".")[2],
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


def add(commands: Any) -> None:
    """Adds the command to a command line."""
    flows = commands.add_parser("flows", help="show what can be evaluated here")
    flows.add_argument("name", nargs="?", help="a flow, to show all of it")
    flows.add_argument("--json", action="store_true", help="print it as JSON, with schemas")
    flows.set_defaults(run=_show)


def _show(settings: Settings, given: argparse.Namespace) -> int:
    found = describe()
    flows = {flow["name"]: flow for flow in found["data"]}
    if given.name is None:
        if given.json:
            print(json.dumps(found, indent=2))
        else:
            show(COLUMNS, map(row, found["data"]))
        return 0
    if given.name not in flows:
        raise NotFound(f"the flow {unknown(given.name, flows)}")
    flow = flows[given.name]
    print(json.dumps(flow, indent=2) if given.json else "\n".join(lines(flow)))
    return 0


def row(flow: dict[str, Any]) -> Sequence[str]:
    targets = dict.fromkeys(target for task in flow["tasks"] for target in task["targets"])
    return flow["name"], listed(flow, SHOWN), ", ".join(targets), flow.get("missing", "")


def listed(flow: dict[str, Any], most: int | None = None) -> str:
    """Config types of a flow, and how many more there are."""
    types = flow["types"][:most]
    more = len(flow["types"]) - len(types) + flow["more_types"]
    return ", ".join(types) + (f" and {more} more" if more else "")


def lines(flow: dict[str, Any]) -> Iterator[str]:
    """All of a flow, for people to read."""
    yield from textwrap.wrap(flow["description"], WIDTH)
    told = {
        "config types": listed(flow),
        "metrics": ", ".join(flow["metrics"]),
        "needs": flow.get("missing", ""),
    }
    for task in flow["tasks"]:
        name = "targets" if task["type"] == "*" else f"targets of {task['type']} tasks"
        told[name] = ", ".join(task["targets"])
    for name, text in told.items():
        if text:
            yield from textwrap.wrap(f"{name}: {text}", WIDTH, subsequent_indent="  ")
    yield "params:"
    yield from properties(flow["params"], flow["params"], "  ")


def properties(schema: dict[str, Any], top: dict[str, Any], indent: str) -> Iterator[str]:
    """What an object may hold, a line each; `top` has the definitions that others refer to."""
    for name, said in schema.get("properties", {}).items():
        inner = top["$defs"][said["$ref"].rpartition("/")[2]] if "$ref" in said else said
        default = f" (default: {json.dumps(said['default'])})" if said.get("default") else ""
        yield f"{indent}{name}: {kind(inner)}{default}"
        yield from properties(inner, top, f"{indent}  ")


def kind(schema: dict[str, Any]) -> str:
    """The type of a schema, in a word or a few."""
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(word for s in schema["anyOf"] if (word := kind(s)) != "null")
    if schema.get("type") == "array":
        return f"array of {kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
