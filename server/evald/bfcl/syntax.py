"""Calls in Java and JavaScript, with arguments written as assignments. Nothing of them is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from evald.bfcl.call import Call, Undecodable

Node = Any
"""A node of tree-sitter."""

LITERALS = ("string_literal", "character_literal")
WHOLE = ("identifier", "class_literal", "type_identifier", "method_invocation")


def java_calls(text: str) -> list[Call]:
    """The first call of a method. Raises Undecodable."""
    for node in walk(tree(text, "tree_sitter_java")):
        if node.type == "method_invocation":
            of, name = node.child_by_field_name("object"), node.child_by_field_name("name")
            function = f"{source(of)}.{source(name)}" if of else source(name)
            given = node.child_by_field_name("arguments")
            unnamed = ("identifier", "class_literal")
            return [{function: arguments(given, java_value, unnamed)}]
    raise Undecodable("there is no call")


def javascript_calls(text: str) -> list[Call]:
    """The first call that is a statement. Raises Undecodable."""
    for statement in tree(text, "tree_sitter_javascript").children:
        for node in statement.children if statement.type == "expression_statement" else ():
            if node.type == "call_expression":
                function, given = node.children[:2]
                unnamed = ("identifier", "true")
                return [{source(function): arguments(given, unquoted, unnamed)}]
    raise Undecodable("there is no call")


PARSERS: Mapping[str, Callable[[str], list[Call]]] = {
    "java": java_calls,
    "javascript": javascript_calls,
}


@cache
def parser(module: str) -> Any:
    from tree_sitter import Language, Parser

    return Parser(Language(import_module(module).language()))


def tree(text: str, module: str) -> Node:
    """The tree of a program. Raises Undecodable where it is none; a semicolon may be missing."""
    root = parser(module).parse(text.encode("utf-8", "replace")).root_node
    if any(node.is_error for node in walk(root)):
        raise Undecodable("the syntax is wrong")
    return root


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in the order of the text."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def source(node: Node) -> str:
    return str(node.text.decode("utf-8", "replace"))


def arguments(node: Node, value: Callable[[Node], str], unnamed: tuple[str, ...]) -> dict[Any, Any]:
    """Arguments by name; one that has none is under None. Raises Undecodable where two have the
    same name."""
    found: dict[Any, Any] = {}
    for child in node.children if node else ():
        if child.type == "assignment_expression":
            name, given = source(child.children[0]), value(child.children[2])
        elif child.type in unnamed:
            name, given = None, source(child)
        else:
            continue
        if name in found:
            raise Undecodable(f"there are two arguments {name!r}")
        found[name] = given
    return found


def unquoted(node: Node) -> str:
    """The text of a value, without quotes at both ends."""
    text = source(node)
    quoted = any(text.startswith(q) and text.endswith(q) for q in "\"'")
    return text[1:-1] if quoted else text


def java_value(node: Node, inner: bool = False) -> str:
    """The text of a value without white space, and without quotes if it is a text itself. Bodies of
    classes are left out."""
    if node.type in LITERALS:
        return source(node) if inner else source(node)[1:-1]
    if node.type in WHOLE:
        return source(node)
    if node.type == "array_creation_expression":
        of, given = node.child_by_field_name("type"), node.child_by_field_name("value")
        if given is None:
            raise Undecodable("an array has no values")
        return f"new {java_value(of, True)}[]{java_value(given, True)}"
    if node.type == "object_creation_expression":
        of, given = node.child_by_field_name("type"), node.child_by_field_name("arguments")
        parts = [java_value(c, True) for c in given.children if c.type not in (",", "(", ")")]
        return f"new {java_value(of, True)}({', '.join(parts)})"
    if node.child_count:
        return "".join(java_value(child, True) for child in node.children)
    return source(node)
