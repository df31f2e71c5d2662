"""bfcl-eval's own checker and helpers, without the clients that it brings for models."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from evald.bfcl import package
from evald.bfcl.categories import Category

MODELS = {
    "native": SimpleNamespace(underscore_to_dot=True),
    "words": SimpleNamespace(underscore_to_dot=False),
}


def unparsed(text: str) -> Any:
    raise NotImplementedError("it needs tree-sitter 0.21: see benchmarks/bfcl_calls.py")


STUBS: Mapping[str, Mapping[str, Any]] = {
    "bfcl_eval.constants.model_config": {"MODEL_CONFIG_MAPPING": MODELS},
    "bfcl_eval.model_handler.parser.java_parser": {"parse_java_function_call": unparsed},
    "bfcl_eval.model_handler.parser.js_parser": {"parse_javascript_function_call": unparsed},
}


@cache
def module(name: str) -> Any:
    """A module of bfcl-eval."""
    package.utilities()  # first, since it makes folders where nobody says otherwise
    for stub, members in STUBS.items():
        made = sys.modules.setdefault(stub, ModuleType(stub))
        vars(made).update(members)
    return import_module(f"bfcl_eval.{name}")


def right(
    row: Mapping[str, Any], calls: Sequence[Any], category: Category, native: bool
) -> bool | None:
    """The verdict of `ast_checker`; None when it crashes."""
    language = module("constants.enums").Language(category.language)
    check = module("eval_checker.ast_eval.ast_checker").ast_checker
    given = deepcopy((row["function"], list(calls), row["ground_truth"]))
    name = "native" if native else "words"
    try:
        return bool(check(*given, language, category.source, name)["valid"])
    except (AttributeError, IndexError, KeyError, TypeError):
        return None


def verdict(row: Mapping[str, Any], reply: Any, category: Category, native: bool) -> bool:
    """What `eval_runner` says of a reply: of its text, or of a message with tool calls."""
    utils = module("utils")
    try:
        if native:
            message: Any = SimpleNamespace(**reply)
            calls = decoded(message)
        else:
            calls = module("model_handler.utils").default_decode_ast_prompting(reply)
    except Exception:
        return category.form == "irrelevance"
    if category.form in ("irrelevance", "relevance"):
        return bool(utils.is_empty_output(calls)) == (category.form == "irrelevance")
    if not utils.is_function_calling_format_output(calls):
        return False
    return bool(right(row, calls, category, native))


def decoded(message: Any) -> list[Any]:
    """What the handler of OpenAI's chats makes of a message."""
    json = import_module("json")
    found = [(c["function"]["name"], c["function"]["arguments"]) for c in message.tool_calls]
    return [{name: json.loads(arguments)} for name, arguments in found]


def tools(functions: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Functions as chats are told of them."""
    style = module("constants.enums").ModelStyle.OPENAI_COMPLETIONS
    types = module("constants.type_mappings").GORILLA_TO_OPENAPI
    made: list[Any] = module("model_handler.utils").convert_to_tool(functions, types, style)
    return made
