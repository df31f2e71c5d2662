"""Whether calls are those that were expected: the check of syntax trees of the Berkeley
Function-Calling Leaderboard (Patil et al., "The Berkeley Function Calling Leaderboard (BFCL)", ICML
2025), which gives the verdicts of `bfcl_eval.eval_checker.ast_eval.ast_checker`, its quirks too.

An expected call is `{function: {argument: [value, ...]}}` with the values that are right; the value
"" means that the argument may be left out. Functions are those of a question, their parameters in
BFCL's types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evald.bfcl import java, javascript
from evald.bfcl.call import Call
from evald.bfcl.categories import Category, Language

Function = Mapping[str, Any]
Expected = Mapping[str, Mapping[str, Sequence[Any]]]

PYTHON_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}

TYPES = {"python": PYTHON_TYPES, "java": java.TYPES, "javascript": javascript.TYPES}

LISTS = {
    "python": ("array", "tuple"),
    "java": ("Array", "ArrayList"),
    "javascript": ("array",),
}
"""Types whose entries have a type."""

LONGEST = 2000
"""Characters of a text that stands for a value. The longest right one has 160."""

CONVERTERS: Mapping[str, Callable[[str, str, str | None], Any]] = {
    "java": java.value,
    "javascript": javascript.value,
}


class Wrong(Exception):
    """What is wrong with calls."""


def mistake(
    functions: Sequence[Function],
    calls: Sequence[Call],
    expected: Sequence[Expected],
    category: Category,
    *,
    underscores: bool,
) -> str | None:
    """What is wrong with calls; None when they are right. `underscores` says that the model knows
    the functions by names without dots."""
    check = Check(category.language, underscores)
    try:
        if len(calls) != (1 if category.form == "simple" else len(expected)):
            raise Wrong(f"there are {len(calls)} calls; {len(expected)} were expected")
        if category.form == "parallel":
            check.parallel(functions, calls, expected)
        elif category.form == "multiple":
            check.call(described(functions, expected[0]), calls[0], expected[0])
        else:
            check.call(functions[0], calls[0], expected[0])
    except Wrong as e:
        return str(e)
    return None


def described(functions: Sequence[Function], expected: Expected) -> Function:
    """The function that an expected call is of."""
    name = next(iter(expected))
    return next(function for function in functions if function["name"] == name)


class Check:
    """Compares calls. Methods raise Wrong."""

    def __init__(self, language: Language, underscores: bool) -> None:
        self._language = language
        self._underscores = underscores

    def parallel(
        self,
        functions: Sequence[Function],
        calls: Sequence[Call],
        expected: Sequence[Expected],
    ) -> None:
        """Calls in any order: each expected one takes the first that is left and right."""
        left = list(calls)
        for wanted in expected:
            function = described(functions, wanted)
            problems = []
            for call in left:
                try:
                    self.call(function, call, wanted)
                except Wrong as e:
                    problems.append(str(e))
                else:
                    left.remove(call)
                    break
            else:
                told = "; ".join(problems)
                raise Wrong(f"no call is the expected one of {function['name']!r}: {told}")

    def call(self, function: Function, call: Call, expected: Expected) -> None:
        wanted = next(iter(expected.values()))
        name = function["name"].replace(".", "_") if self._underscores else function["name"]
        if name not in call:
            raise Wrong(f"{name!r} was to be called, not {next(iter(call), None)!r}")
        given = call[name]
        for argument in function["parameters"]["required"]:
            if argument not in given:
                raise Wrong(f"the required argument {argument!r} is not given")
        properties = function["parameters"]["properties"]
        for argument, value in given.items():
            if argument not in properties or argument not in wanted:
                raise Wrong(f"the argument {argument!r} was not expected")
            try:
                self.argument(properties[argument], value, wanted[argument])
            except Wrong as e:
                raise Wrong(f"argument {argument!r}: {e}") from None
        for argument, right in wanted.items():
            if argument not in given and "" not in right:
                raise Wrong(f"the argument {argument!r} is not given")

    def argument(self, described: Mapping[str, Any], value: Any, right: Sequence[Any]) -> None:
        kind = described["type"]
        types = TYPES[self._language]
        entries = described["items"]["type"] if kind in LISTS[self._language] else None
        if self._language == "python":
            if isinstance(value, tuple) and kind == "tuple":
                value = list(value)
            elif type(value) is int and kind == "float":
                value = float(value)
        elif not isinstance(value, str) or len(value) > LONGEST:
            raise Wrong(f"{value!r:.{LONGEST}} is not written as a text that can be read")
        else:
            value = CONVERTERS[self._language](value, kind, entries)
        wanted = types[kind]
        is_name = named_by(value, right, wanted, types[entries] if entries else None, kind)
        if is_name:
            found = value in right
        elif wanted is dict:
            found = like_dict(value, right)
        elif wanted is list and entries and types[entries] is dict:
            found = like_dicts(value, right)
        elif wanted is str:
            found = plain(value) in [plain(r) for r in right if isinstance(r, str)]
        elif wanted is list:
            found = plain_list(value) in [plain_list(r) for r in right if listed(r)]
        else:
            found = value in right
        if not found:
            raise Wrong(f"{value!r} is none of {list(right)!r}")


def named_by(
    value: Any, right: Sequence[Any], wanted: type, entries: type | None, kind: str
) -> bool:
    """Whether a value has not the type that is wanted, but that of the first right one: it is then
    the name of a variable. Raises Wrong when it has neither."""
    first = next((type(r) for r in right if r != ""), None)
    if type(value) is not wanted and type(value) is not first:
        raise Wrong(f"{value!r} is not of type {kind}")
    if type(value) is wanted and entries is not None and not has_entries(value, right, entries):
        raise Wrong(f"the entries of {value!r} are not of their type")
    return type(value) is not wanted or first not in (None, wanted)


def has_entries(value: Any, right: Sequence[Any], wanted: type) -> bool:
    """Whether entries have the type that is wanted, or that of a right list. Where the argument may
    be left out they need not."""
    for candidate in right:
        if not isinstance(candidate, list):
            return True
        first = next((type(r) for r in candidate if r != ""), None)
        if all(type(entry) in (wanted, first) for entry in value):
            return True
    return False


def plain(text: str) -> str:
    """A text without what does not count: spaces, case, some punctuation and the kind of quotes."""
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def plain_list(values: Sequence[Any]) -> list[Any]:
    return [plain(value) if isinstance(value, str) else value for value in values]


def listed(value: Any) -> bool:
    """Whether a right value can be told entry by entry; "" has none, so that an empty list will do
    where the argument may be left out."""
    return isinstance(value, list | str)


def like_dict(value: Mapping[str, Any], right: Sequence[Any]) -> bool:
    """Whether an object is like a right one, `{key: [value, ...]}`."""
    return any(isinstance(r, dict) and fits(value, r) for r in right)


def fits(value: Mapping[str, Any], right: Mapping[str, Sequence[Any]]) -> bool:
    def has(key: str, given: Any) -> bool:
        given = plain(given) if isinstance(given, str) else given
        return key in right and given in plain_list(right[key])

    return all(has(k, v) for k, v in value.items()) and all(
        k in value or "" in allowed for k, allowed in right.items()
    )


def like_dicts(value: Sequence[Any], right: Sequence[Any]) -> bool:
    """Whether a list of objects is like a right one, in its order."""
    return any(
        listed(r)
        and len(r) == len(value)
        and all(isinstance(v, dict) and like_dict(v, [w]) for v, w in zip(value, r, strict=True))
        for r in right
    )
