"""Calls as they are expected, and ones that are a little different, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

JUNK = (
    None,
    True,
    0,
    1,
    -3,
    2.5,
    "",
    "x",
    "New York",
    [],
    ["a"],
    [1, 2],
    {},
    {"a": 1},
    (1, 2),
    [[]],
)


def expected(row: Mapping[str, Any], native: bool, rng: random.Random) -> list[dict[str, Any]]:
    """The calls of a question in Python, each with one of the right values."""
    made = []
    for call in row["ground_truth"]:
        [(name, arguments)] = call.items()
        given = {}
        for argument, values in arguments.items():
            value = rng.choice(values or [""])
            if value == "" and rng.random() < 0.7:
                continue
            given[argument] = chosen(value, rng)
        made.append({name.replace(".", "_") if native else name: given})
    return made


def chosen(value: Any, rng: random.Random) -> Any:
    """A value with one of the right ones for each key of its objects."""
    match value:
        case dict():
            return {
                key: deepcopy(rng.choice(values)) if isinstance(values, list) and values else values
                for key, values in value.items()
            }
        case list():
            return [chosen(entry, rng) if isinstance(entry, dict) else entry for entry in value]
    return value


def mutated(calls: Sequence[Mapping[str, Any]], rng: random.Random) -> list[Any]:
    """The calls with one to three things changed."""
    made: list[Any] = deepcopy(list(calls))
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not made:
            return made
        index = rng.randrange(len(made))
        [(name, arguments)] = made[index].items()
        match rng.randrange(10):
            case 0:
                rng.shuffle(made)
            case 1:
                del made[index]
            case 2:
                made.append(deepcopy(made[index]))
            case 3:
                made[index] = {rng.choice((f"{name}x", name.upper(), name[1:])): arguments}
            case 4:
                arguments["surplus"] = rng.choice(JUNK)
            case 5 if arguments:
                del arguments[rng.choice(list(arguments))]
            case _ if arguments:
                argument = rng.choice(list(arguments))
                arguments[argument] = other(arguments[argument], rng)
    return made


def other(value: Any, rng: random.Random) -> Any:
    """Another value, near to one or not."""
    if rng.random() < 0.15:
        return deepcopy(rng.choice(JUNK))
    match value:
        case bool():
            return rng.choice((not value, str(value), int(value), str(value).lower()))
        case int():
            return rng.choice((float(value), value + 1, str(value), -value, bool(value), [value]))
        case float():
            return rng.choice((int(value), value * 1.1, str(value), round(value, 1)))
        case str():
            return rng.choice(
                (value.upper(), value.replace(" ", ""), f"{value}.", f"{value}s", value[:-1],
                 value.replace("'", '"'), f"_{value}-", [value], 7, f'"{value}"', f" {value}\n")
            )  # fmt: skip
        case list() | tuple() if value:
            items = list(value)
            index = rng.randrange(len(items))
            match rng.randrange(6):
                case 0:
                    items.reverse()
                case 1:
                    del items[index]
                case 2:
                    items.append(deepcopy(items[index]))
                case 3:
                    return tuple(items)
                case 4:
                    return str(items)
                case _:
                    items[index] = other(items[index], rng)
            return items
        case dict() if value:
            made = dict(value)
            key = rng.choice(list(made))
            match rng.randrange(4):
                case 0:
                    del made[key]
                case 1:
                    made["surplus"] = 1
                case 2:
                    made[f"{key} "] = made.pop(key)
                case _:
                    made[key] = other(made[key], rng)
            return made
    return deepcopy(rng.choice(JUNK))
