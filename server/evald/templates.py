"""Templates of users: Jinja in a sandbox, bounded in loops and size, on plain data only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError, nodes, pass_context
from jinja2.exceptions import TemplateError
from jinja2.runtime import Context
from jinja2.runtime import Undefined as Missing
from jinja2.sandbox import ImmutableSandboxedEnvironment

from evald.errors import EvaluationError, InvalidArgument

MAX_STEPS = 100_000
"""Turns that all loops of one rendering may take together."""

MAX_TEXT = 16 * 2**20
"""Characters of one rendered text, and of what is put together on the way to it."""

FILTERS = {
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int",
    "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
    "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "string", "sum",
    "title", "trim", "truncate", "unique", "upper", "wordcount",
}  # fmt: skip

TESTS = {
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping",
    "ne", "none", "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper",
    "==", "!=", ">", ">=", "<", "<=",
}  # fmt: skip

BUDGET = "_budget"


class Budget:
    """Turns that are left to one rendering."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_STEPS


class Environment(ImmutableSandboxedEnvironment):
    """Jinja without what untrusted templates could do harm with: no globals but `range`, no
    attributes of Python objects, loops on a budget, and no text or number beyond all bounds."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True)
        self.globals = {"range": bounded_range}
        self.filters = {k: v for k, v in self.filters.items() if k in FILTERS}
        self.filters |= {"tojson": to_json, "_turns": turns, "_joined": joined}
        self.tests = {k: v for k, v in self.tests.items() if k in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field before a method: a column may well be called `items`."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        size = result_size(operator, left, right)
        if size > MAX_TEXT:
            raise TemplateError(f"the result of {operator!r} is too large")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _filtered(loop.iter, "_turns")
        for chain in list(tree.find_all(nodes.Concat)):
            chain.nodes = [_filtered(nodes.List(chain.nodes, lineno=chain.lineno), "_joined")]
        for node in tree.find_all((nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)):
            raise TemplateSyntaxError("a template cannot load another one", node.lineno)
        return tree


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@pass_context
def turns(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    """The values of a loop, each of which takes one turn of the budget."""
    budget: Any = context.resolve(BUDGET)
    for value in values:
        budget.left -= 1
        if budget.left < 0:
            raise TemplateError(f"the template loops more than {MAX_STEPS} times")
        yield value


def joined(values: Iterable[Any]) -> str:
    """What `~` makes of its operands."""
    parts = [str(value) for value in values]
    if sum(map(len, parts)) > MAX_TEXT:
        raise TemplateError("the result of '~' is too large")
    return "".join(parts)


def bounded_range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_STEPS:
        raise TemplateError(f"range() gives more than {MAX_STEPS} numbers")
    return numbers


def result_size(operator: str, left: Any, right: Any) -> float:
    """A bound of what an operation would make, in characters or digits."""
    match operator, left, right:
        case "*", str() | list() | tuple(), int():
            return len(left) * right
        case "*", int(), str() | list() | tuple():
            return len(right) * left
        case "**", int() | float(), int() | float():
            return (len(str(int(abs(left)))) + 1) * abs(right) * 1000
        case "*", int(), int():
            return (left.bit_length() + right.bit_length()) * 100
        case "+", str() | list() | tuple(), str() | list() | tuple():
            return len(left) + len(right)
        case "%", str() | bytes(), _:
            return float("inf")  # printf widths; `~` and filters do what is needed
    return 0


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON as it stands: not escaped for HTML, which prompts are not."""
    if isinstance(value, Missing):
        value._fail_with_undefined_error()
    return json.dumps(value, ensure_ascii=False, indent=indent)


class Template:
    """A compiled template: a text, or lists and objects with texts inside.

    A text that is one expression piped into `tojson` renders to the value itself, so that a
    template can give lists and objects.
    """

    def __init__(self, environment: Environment, source: Any, field: str) -> None:
        self.field = field
        self._render = _compile(environment, source, field)

    def value(self, context: Mapping[str, Any]) -> Any:
        """What the template gives for a row. Raises EvaluationError of kind `template`."""
        return self._render(context)

    def text(self, context: Mapping[str, Any]) -> str:
        """The same as a text; lists and objects as JSON."""
        value = self._render(context)
        return value if isinstance(value, str) else to_json(value)


class Templates:
    """Compiles templates."""

    def __init__(self) -> None:
        self._environment = Environment()

    def compile(self, source: Any, field: str) -> Template:
        """Raises InvalidArgument naming the field, and the line where a text is malformed."""
        return Template(self._environment, source, field)


Render = Callable[[Mapping[str, Any]], Any]


def _compile(environment: Environment, source: Any, field: str) -> Render:
    match source:
        case str():
            return _compile_text(environment, source, field)
        case Mapping():
            members = {k: _compile(environment, v, f"{field}.{k}") for k, v in source.items()}
            return lambda context: {k: render(context) for k, render in members.items()}
        case list():
            entries = [_compile(environment, v, f"{field}.{i}") for i, v in enumerate(source)]
            return lambda context: [render(context) for render in entries]
    return lambda context: source


def _compile_text(environment: Environment, source: str, field: str) -> Render:
    if "{" not in source:
        return lambda context: source
    try:
        tree = environment.parse(source)
        root = environment.from_string(source).root_render_func
        template = environment.from_string(source)
    except TemplateSyntaxError as e:
        raise InvalidArgument.of(field, f"line {e.lineno}: {e.message}") from None
    except (RecursionError, MemoryError, OverflowError, ValueError) as e:
        raise InvalidArgument.of(field, f"the template cannot be read: {e}") from None
    is_json = _gives_json(tree)

    def render(context: Mapping[str, Any]) -> Any:
        try:
            parts, size = [], 0
            for part in root(template.new_context({**context, BUDGET: Budget()})):
                parts.append(part)
                size += len(part)
                if size > MAX_TEXT:
                    raise TemplateError(f"the text is longer than {MAX_TEXT} characters")
            text = "".join(parts)
            return json.loads(text) if is_json else text
        except UndefinedError as e:
            fields = ", ".join(k for k in context if k not in {"item", "sample"})
            message = f"{field}: {e.message} (the row has: {fields[:500] or 'no fields'})"
        except RecursionError:
            message = f"{field}: the template calls itself too often"
        except Exception as e:
            message = f"{field}: {e or type(e).__name__}"
        raise EvaluationError("template", message)

    return render


def _gives_json(tree: nodes.Template) -> bool:
    """Whether a template is one expression that ends in `tojson`, and nothing around it."""
    match tree.body:
        case [nodes.Output(nodes=[nodes.Filter(name="tojson")])]:
            return True
    return False


def context_of(item: Mapping[str, Any], sample: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What templates see of a row and the model's answer: `item`, `sample`, and the fields of both
    by themselves, the answer's first."""
    names = field_names(tuple(item))
    row = {names[key]: value for key, value in item.items()}
    if sample is None:
        return {**row, "item": row}
    return {**row, **sample, "item": row, "sample": sample}


@lru_cache(maxsize=256)
def field_names(keys: tuple[str, ...]) -> dict[str, str]:
    """Names of columns as templates see them: lower case, `_` for what is no letter, digit or `_`,
    and `_1`, `_2` behind a name that is taken."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key in keys:
        name = base = re.sub(r"\W", "_", str(key)).lower()
        number = 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        names[key] = name
    return names
