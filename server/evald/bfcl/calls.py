"""From a model's reply to the calls that it makes. Nothing of a reply is run."""

from __future__ import annotations

import ast
import json
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evald.bfcl import syntax
from evald.bfcl.call import Call, Undecodable
from evald.bfcl.categories import Language

LONGEST = 100_000
"""Characters of a text that may hold calls."""

OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}

BITS = 4096
"""Of a number that arithmetic may give."""


def calls_of_message(message: Mapping[str, Any]) -> list[Call]:
    """The calls of a chat's reply by native function calling. A reply in words has none. Raises
    Undecodable when arguments are no JSON object."""
    found = []
    for call in message.get("tool_calls") or ():
        match call:
            case {"function": {"name": str(name), "arguments": arguments}}:
                found.append({name: arguments_of(arguments)})
            case _:
                raise Undecodable(f"{call!r:.200} is no call of a function by its name")
    return found


def arguments_of(given: Any) -> dict[str, Any]:
    """Arguments as JSON text, or as some endpoints have them, an object."""
    try:
        value = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as e:
        raise Undecodable(f"arguments are no JSON: {e}") from None
    if not isinstance(value, dict):
        raise Undecodable(f"arguments are no JSON object: {value!r:.200}")
    return value


def calls_of_text(text: str, language: Language) -> list[Call]:
    """The calls that a text is, as `[f(x=1), g(y="a")]`. Raises Undecodable."""
    text = text.strip("`\n ")
    if len(text) > LONGEST:
        raise Undecodable(f"the text is longer than {LONGEST} characters")
    text = text if text.startswith("[") else f"[{text}"
    text = text if text.endswith("]") else f"{text}]"
    try:
        if language != "python":
            return syntax.PARSERS[language](text[1:-1])
        with warnings.catch_warnings(action="ignore"):  # of escapes that mean nothing
            tree = ast.parse(text.strip("'"), mode="eval")
        match tree.body:
            case ast.List(elts=found) | ast.Tuple(elts=found) | ast.Set(elts=found):
                return [call(node) for node in found]
        return [call(tree.body)]
    except Undecodable:
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as e:
        raise Undecodable(f"{type(e).__name__}: {e}") from None


def written(call: Call) -> str:
    """A call as people read it. What JSON cannot hold is escaped."""
    [(name, arguments)] = call.items()
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def call(node: ast.expr | None) -> Call:
    """A call; arguments without a name do not count."""
    if not isinstance(node, ast.Call):
        raise Undecodable("it is no call")
    parts = []
    function = node.func
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    arguments: dict[Any, Any] = {k.arg: value(k.value) for k in node.keywords}
    return {".".join(reversed(parts)): arguments}


def value(node: ast.expr | None) -> Any:
    """What an argument stands for: a name is its own text, and so is a call without arguments by
    name, other calls are objects, and arithmetic is done. Raises Undecodable."""
    match node:
        case ast.Constant(value=int(found)) if found.bit_length() > BITS:
            raise Undecodable(f"a number has more than {BITS} bits")
        case ast.Constant(value=found):
            return "..." if found is Ellipsis else found
        case ast.UnaryOp(operand=ast.Constant(value=found)):
            return -found  # type: ignore[operator]
        case ast.List(elts=elements):
            return [value(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(value(element) for element in elements)
        case ast.Dict(keys=keys, values=values):
            return {value(k): value(v) for k, v in zip(keys, values, strict=True)}
        case ast.BinOp():
            return calculated(node)
        case ast.Name(id=name):
            return name
        case ast.Call(keywords=[]):
            return ast.unparse(node)
        case ast.Call():
            return call(node)
        case ast.Subscript(value=of, slice=at):
            return f"{ast.unparse(of)}[{ast.unparse(at)}]"
    raise Undecodable(f"{type(node).__name__} is no value")


def calculated(node: ast.expr) -> Any:
    """What arithmetic on constants gives. Raises Undecodable where it is more than that."""
    match node:
        case ast.Constant(value=found):
            return found
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -calculated(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return +calculated(operand)
        case ast.List(elts=elements):
            return [calculated(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(calculated(element) for element in elements)
        case ast.BinOp(left=one, op=op, right=other) if type(op) in OPERATIONS:
            left, right = calculated(one), calculated(other)
            guard(op, left, right)
            return OPERATIONS[type(op)](left, right)
    raise Undecodable("it calculates with more than constants")


def guard(op: ast.operator, left: Any, right: Any) -> None:
    """Refuses arithmetic whose result would be huge."""
    match op, left, right:
        case ast.Pow(), int(), int():
            size = left.bit_length() * abs(right)
        case ast.Mult(), str() | list() | tuple(), int():
            size = length(left) * right
        case ast.Mult(), int(), str() | list() | tuple():
            size = left * length(right)
        case ast.Mult(), int(), int():
            size = left.bit_length() + right.bit_length()
        case ast.Mod(), str() | bytes(), _:
            raise Undecodable("it formats a text")
        case _:
            return
    if size > BITS:
        raise Undecodable("it calculates with what is too large")


def length(value: Sequence[Any]) -> int:
    """Characters of a text, or of what a list holds."""
    return sum(len(str(entry)) for entry in value)
