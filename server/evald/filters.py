"""Filters and methods of texts for templates, and how much they may make."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, ItemsView, Iterable, KeysView, Mapping, ValuesView
from functools import wraps
from typing import Any, NoReturn

from jinja2 import Environment, TemplateRuntimeError, Undefined, pass_environment
from jinja2.filters import do_round, make_attrgetter

MAX_TEXT = 4 * 2**20
"""Characters of one text; of a list or an object, what it would have as a text, about."""

MAX_BITS = 100_000
"""Size of a whole number that is reckoned with."""

MAX_DIGITS = 1000
"""Digits of a number that is read from a text, or rounded to."""

MAX_STRIPPED = 1000
"""Characters that `trim` looks for: each is sought at each place."""

ENTRY = 8
"""Characters that an entry of a list or an object counts for, besides its own."""

MAX_RANGE = 100_000
"""Numbers that `range` gives, and characters of a text that is taken for a list."""

VIEWS = (list, tuple, range, KeysView, ValuesView, ItemsView)


def refuse(message: str) -> NoReturn:
    raise TemplateRuntimeError(message)


def too_long() -> NoReturn:
    refuse(f"the text is longer than {MAX_TEXT} characters")


def weight(value: Any) -> int:
    """How long a value is, about. Raises TemplateRuntimeError when it is longer than a text may be,
    which a list that holds another one many times easily is, or when it is no plain data, whose
    text could tell what is in memory."""
    total, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, Mapping):
            total += len(value) * ENTRY
            if total <= MAX_TEXT:
                waiting += value
                waiting += value.values()
        elif isinstance(value, VIEWS):
            total += len(value) * ENTRY
            if total <= MAX_TEXT and not isinstance(value, range):
                waiting += value
        elif isinstance(value, Undefined):
            str(value)  # raises
        elif isinstance(value, int):
            total += value.bit_length() // 3
        elif value is not None and not isinstance(value, float):
            refuse(f"{type(value).__name__!r} is no text, number, list or object")
        if total > MAX_TEXT:
            too_long()
    return total


def plain(value: Any) -> Any:
    """What may be written out."""
    if type(value) is not str:
        weight(value)
    return value


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Raises TemplateRuntimeError when what an operation makes would be too large."""
    too_large = False
    match operator, left, right:
        case "%", str(), _:
            refuse("'%' is for numbers; '~' puts texts together")
        case ("*", str() | list() | tuple(), int()) | ("*", int(), str() | list() | tuple()):
            text, times = (right, left) if isinstance(left, int) else (left, right)
            too_large = len(text) * times > MAX_TEXT
        case "+", str() | list() | tuple(), str() | list() | tuple():
            too_large = len(left) + len(right) > MAX_TEXT
        case "**", int(), int():
            too_large = left.bit_length() * abs(right) > MAX_BITS
        case _, int(), int():
            too_large = left.bit_length() + right.bit_length() > MAX_BITS
    if too_large:
        refuse(f"the result of {operator!r} is too large")


def bounded_range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        refuse(f"range() gives more than {MAX_RANGE} numbers")
    return numbers


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON as it stands: not escaped for HTML, which prompts are not."""
    weight(value)
    indent = indent and min(int(indent), 8)
    return json.dumps(value, ensure_ascii=False, indent=indent)


def to_text(value: Any) -> str:
    return str(plain(value))


def of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    """A filter of texts that takes other values as they are written out."""
    return lambda value: change(to_text(value))


def listing(filter: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of lists that takes no long text for one: each character would be an object."""

    @wraps(filter)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, str) and len(value) > MAX_RANGE for value in args):
            refuse(f"a text of more than {MAX_RANGE} characters is no list")
        return filter(*args, **kwargs)

    return bounded


def join(values: Iterable[Any], separator: Any = "") -> str:
    between, parts, size = to_text(separator), [], 0
    for value in values:
        parts.append(to_text(value))
        size += len(parts[-1]) + len(between)
        if size > MAX_TEXT + len(between):
            too_long()
    return between.join(parts)


@pass_environment
def joined(
    environment: Environment, values: Iterable[Any], d: Any = "", attribute: Any = None
) -> str:
    return join(fields(environment, values, attribute), d)


@pass_environment
def total(
    environment: Environment, values: Iterable[Any], attribute: Any = None, start: float = 0
) -> float:
    """The sum of numbers; of lists it would grow with the square of their number."""
    result = start + 0
    for value in fields(environment, values, attribute):
        result += value + 0
    return result


def fields(environment: Environment, values: Iterable[Any], attribute: Any) -> Iterable[Any]:
    """The values, or an attribute of each."""
    return values if attribute is None else map(make_attrgetter(environment, attribute), values)


def replace(text: Any, old: Any, new: Any, count: int = -1) -> str:
    text, old, new = to_text(text), to_text(old), to_text(new)
    found = text.count(old)
    times = found if count is None or count < 0 else min(found, count)
    if len(text) + times * (len(new) - len(old)) > MAX_TEXT:
        too_long()
    replaced: str = text.replace(old, new, times)
    return replaced


def stripping(strip: Callable[[str, str | None], str]) -> Callable[..., str]:
    """`str.strip` or one of its kin, within bounds."""

    def stripped(text: Any, chars: str | None = None) -> str:
        if chars is not None and len(chars) > MAX_STRIPPED:
            refuse(f"trim takes no more than {MAX_STRIPPED} characters")
        return strip(to_text(text), chars)

    return stripped


def title(text: Any) -> str:
    """Each word with a capital."""
    return re.sub(r"[^-\s({\[<]+", lambda m: m[0][0].upper() + m[0][1:].lower(), to_text(text))


def word_count(text: Any) -> int:
    return sum(1 for _ in re.finditer(r"\w+", to_text(text)))


def to_int(value: Any, default: int = 0, base: int = 10) -> int:
    if isinstance(value, str) and len(value) > MAX_DIGITS:
        return default
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        try:
            return int(float(value))  # such as 42.23
        except (TypeError, ValueError, OverflowError):
            return default


def rounded(value: float, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > MAX_DIGITS:
        refuse(f"round takes no more than {MAX_DIGITS} digits")
    return do_round(value, precision, method)


OWN_METHODS: Mapping[str, Callable[..., Any]] = {
    "join": listing(lambda separator, values: join(values, separator)),
    "replace": replace,
    "strip": stripping(str.strip),
    "lstrip": stripping(str.lstrip),
    "rstrip": stripping(str.rstrip),
}

OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "int": to_int,
    "join": joined,
    "replace": replace,
    "round": rounded,
    "string": to_text,
    **{name: of_text(getattr(str, name)) for name in ("capitalize", "lower", "upper")},
    "sum": total,
    "title": title,
    "tojson": to_json,
    "trim": stripping(str.strip),
    "wordcount": word_count,
}
