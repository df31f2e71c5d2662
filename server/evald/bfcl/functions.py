"""Functions, as questions describe them and as models are told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from evald.bfcl import package
from evald.bfcl.categories import Category

JSON_TYPES = {
    "integer": "integer",
    "number": "number",
    "float": "number",
    "string": "string",
    "boolean": "boolean",
    "bool": "boolean",
    "array": "array",
    "list": "array",
    "dict": "object",
    "object": "object",
    "tuple": "array",
    "any": "string",
}
"""Types of JSON schema for BFCL's; those of other languages are texts by then."""

OWN_TYPES = {"number": "float", "object": "dict", "bool": "boolean", "list": "array"}
"""BFCL's types for others that mean the same."""

FLOAT = " This is a float type value."
"""What BFCL tells of arguments that may have a fraction."""


def request_of(row: Mapping[str, Any], category: Category, native: bool) -> dict[str, Any]:
    """What a model is asked: `messages`, and `tools` when it calls functions natively."""
    messages = list(row["question"][0])
    if native and "tools" in row:
        return {"messages": messages, "tools": row["tools"]}
    functions = package.explained(row["function"], category)
    if native:
        return {"messages": messages, "tools": [tool(function) for function in functions]}
    system = package.instructions(functions)
    if messages and messages[0]["role"] == "system":
        first, *messages = messages
        system = f"{system}\n\n{first['content']}"
    return {"messages": [{"role": "system", "content": system}, *messages]}


def tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """A function as chats are told of it, without dots in its name."""
    parameters = deepcopy(function["parameters"])
    parameters |= {"type": "object", "properties": schemas(parameters["properties"])}
    name = function["name"].replace(".", "_")
    return {"type": "function", "function": {**function, "name": name, "parameters": parameters}}


def schemas(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as JSON schemas."""
    return {name: schema(described) for name, described in properties.items()}


def schema(described: Mapping[str, Any]) -> dict[str, Any]:
    """A property as JSON schema, two levels of lists deep."""
    made = {**described, "type": JSON_TYPES.get(described.get("type", ""), "string")}
    if described.get("type") == "float":
        made |= {"format": "float", "description": described.get("description", "") + FLOAT}
    if made["type"] not in ("array", "object"):
        return made
    if "properties" in made:
        made["properties"] = schemas(made["properties"])
    elif "items" in made:
        items = dict(made["items"])
        items["type"] = JSON_TYPES[items["type"]]
        if items["type"] == "array" and "items" in items:
            items["items"] = {**items["items"], "type": JSON_TYPES[items["items"]["type"]]}
        elif items["type"] == "object" and "properties" in items:
            items["properties"] = schemas(items["properties"])
        made["items"] = items
    return made


def checked(function: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """A function whose every property has a type in `known`, and its lists that of their entries: a
    property of several types, or of none, is of type `any`."""
    parameters = function.get("parameters") or {}
    properties = {
        name: typed(described, known)
        for name, described in (parameters.get("properties") or {}).items()
    }
    parameters = {
        **parameters,
        "type": "dict",
        "properties": properties,
        "required": parameters.get("required") or [],
    }
    return {**function, "parameters": parameters}


def typed(described: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    kind = described.get("type")
    kind = OWN_TYPES.get(kind, kind) if isinstance(kind, str) else None
    made = {**described, "type": kind if kind in known else "any"}
    if kind in ("array", "tuple", "Array", "ArrayList"):
        made["items"] = typed(described.get("items") or {}, known)
    return made
