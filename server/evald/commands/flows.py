"""The `evald flows` command."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evald import registry
from evald.catalog import describe, name_of
from evald.commands.table import show
from evald.errors import NotFound
from evald.settings import Settings
from evald.suggest import unknown

COLUMNS = ("flow", "config types", "targets", "needs")

SHOWN = 4
"""Config types that a table shows of a flow."""

WIDTH = 96
"""Columns of text on a terminal."""


def add(commands: Any) -> None:
    """Adds the command to a command line."""
    flows = commands.add_parser("flows", help="show what can be evaluated here")
    flows.add_argument("name", nargs="?", help="a flow or a config type, to show all of the flow")
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
    flow = flows.get(given.name) or flow_of(given.name, flows)
    print(json.dumps(flow, indent=2) if given.json else "\n".join(lines(flow)))
    return 0


def flow_of(kind: str, flows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The flow that runs a config type. Raises NotFound."""
    try:
        return flows[name_of(registry.flows()[kind])]
    except LookupError:
        raise NotFound(f"the flow {unknown(kind, flows)}") from None


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
        "scores": ", ".join(flow["scores"]),
        "extra": flow.get("extra") or "",
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
    for task in flow["tasks"]:
        if task.get("params"):
            yield "params of tasks:" if task["type"] == "*" else f"params of {task['type']} tasks:"
            yield from properties(task["params"], task["params"], "  ")


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
