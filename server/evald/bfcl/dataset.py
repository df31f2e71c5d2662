"""The questions of a task: the package's, or the user's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from evald.bfcl import package
from evald.bfcl.calls import arguments_of
from evald.bfcl.categories import Category, category_of
from evald.bfcl.checker import TYPES
from evald.bfcl.functions import checked
from evald.errors import EvaluationError

Row = Mapping[str, Any]

ANSWERED = ("simple", "multiple", "parallel")
"""Forms whose questions need right answers."""


def packaged(categories: Iterable[Category], limit: int | None) -> list[dict[str, Any]]:
    """The package's questions, at most `limit` of each category, with their `category`. Raises
    EvaluationError of kind `flow` when it is missing."""
    return [
        {"category": category.name, **row}
        for category in categories
        for row in islice(package.questions(category), limit)
    ]


def own(
    rows: Iterable[Row],
    categories: Sequence[Category],
    limit: int | None,
    place: Callable[[int], str],
) -> list[dict[str, Any]]:
    """The user's questions of some categories, at most `limit` of each.

    Rows are BFCL's own, questions and right answers, which an `id` holds together, in any order or
    in one row; or OpenAI's `{"messages", "tools", "tool_calls"}`. The id tells the category; where
    it does not, all are of one. Raises EvaluationError of kind `dataset`; `place` says where the
    row of an index is.
    """
    asked: dict[int, Row] = {}
    answers: dict[Any, Any] = {}
    for index, row in enumerate(rows):
        if "messages" in row or "question" in row:
            asked[index] = row
        else:
            name = row.get("id")
            if name is None:
                raise wrong(f"{place(index)}: a right answer needs the 'id' of its question")
            if str(name) in answers:
                raise wrong(f"{place(index)}: another right answer has the id {name!r} too")
            answers[str(name)] = row.get("ground_truth")
    counts = dict.fromkeys(categories, 0)
    chosen = []
    for index, row in asked.items():
        category = category_of(row.get("id")) or categories[0]
        if category not in counts or counts[category] == limit:
            continue
        counts[category] += 1
        try:
            if category_of(row.get("id")) is None and len(categories) > 1:
                raise wrong("no category begins its id: let the task's type be that of all rows")
            row = from_openai(row) if "messages" in row else row
            truth = row.get("ground_truth", answers.get(str(row.get("id"))))
            chosen.append(valid({**row, "ground_truth": truth}, category))
        except EvaluationError as e:
            raise wrong(f"{place(index)}: {e.message}") from None
    if not chosen:
        names = ", ".join(category.name for category in categories)
        raise wrong(f"the data set has no questions ('question' or 'messages') of {names}")
    return chosen


def from_openai(row: Row) -> dict[str, Any]:
    """A row as BFCL has it. What is called there has to be called just so."""
    calls = row.get("tool_calls_ground_truth", row.get("tool_calls"))
    messages = row["messages"]
    if isinstance(messages, list) and messages and not isinstance(messages[0], list):
        messages = [messages]
    try:
        functions = [tool["function"] for tool in row["tools"]]
        truth = None if calls is None else [expected(call) for call in calls]
    except (KeyError, TypeError, ValueError) as e:
        raise wrong(f"its tools or tool_calls cannot be read: {e!r}") from None
    return {
        **({"id": row["id"]} if "id" in row else {}),
        "question": messages,
        "function": functions,
        "tools": row["tools"],
        "ground_truth": truth,
    }


def expected(call: Mapping[str, Any]) -> dict[str, Any]:
    """A call as BFCL expects it, each argument of one right value."""
    function = call.get("function")
    if not isinstance(function, Mapping) or "name" not in function:
        return dict(call)
    given = arguments_of(function.get("arguments") or {})
    return {function["name"]: {name: [right(value)] for name, value in given.items()}}


def right(value: Any) -> Any:
    """A value as one that is right: each key of an object has a list of them. An empty text is
    written as a space, which is the same to BFCL: "" would say that the value may be left out."""
    match value:
        case "":
            return " "
        case dict():
            return {key: [member if member != "" else " "] for key, member in value.items()}
        case [dict(), *_]:
            return [right(entry) for entry in value]
    return value


def valid(row: Row, category: Category) -> dict[str, Any]:
    """A question that can be asked and checked."""
    match row.get("question"):
        case [[*messages]] if messages and all(map(is_message, messages)):
            pass
        case [_, _, *_]:
            raise wrong("it has several turns; only one can be asked")
        case _:
            raise wrong("it has no messages, each with a role")
    functions = row.get("function")
    functions = [functions] if isinstance(functions, dict) else functions
    if not isinstance(functions, list) or not functions or not all(map(is_function, functions)):
        raise wrong("it has no functions, each with a name and properties of its parameters")
    known = tuple(TYPES[category.language])
    made = {
        "category": category.name,
        **{key: row[key] for key in ("id", "question", "tools") if key in row},
        "function": [checked(function, known) for function in functions],
    }
    if category.form in ANSWERED:
        names = {function["name"] for function in functions}
        made["ground_truth"] = answered(row.get("ground_truth"), names, category)
    return made


def is_message(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("role"), str)


def is_function(function: Any) -> bool:
    match function:
        case {"name": str(), "parameters": {"properties": dict(properties)}}:
            return all(isinstance(described, dict) for described in properties.values())
        case {"name": str(), "parameters": None | {}}:
            return "properties" not in (function["parameters"] or {})
        case {"name": str()}:
            return "parameters" not in function
    return False


def answered(truth: Any, names: set[str], category: Category) -> list[Any]:
    """The expected calls of a question."""
    if not isinstance(truth, list) or not truth:
        raise wrong(f"{category.name} needs the calls that are right: its ground_truth")
    if category.form != "parallel" and len(truth) > 1:
        raise wrong(f"{category.name} has one right call, not {len(truth)}")
    for call in truth:
        match [*call.items()] if isinstance(call, dict) else None:
            case [(name, dict(arguments))] if name in names:
                if not all(isinstance(values, list) for values in arguments.values()):
                    raise wrong(f"each argument of {name!r} needs a list of right values")
            case _:
                raise wrong(f"{call!r:.200} is no call of one of its functions")
    return truth


def wrong(message: str) -> EvaluationError:
    return EvaluationError("dataset", message)
