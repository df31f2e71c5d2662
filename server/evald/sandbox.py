"""Jinja for strangers: it sees plain data only, and does no more than so much work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from time import thread_time
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from evald.filters import (
    MAX_TEXT,
    OWN_FILTERS,
    OWN_METHODS,
    bounded_range,
    check_operation,
    join,
    listing,
    plain,
    refuse,
    too_long,
    weight,
)

MAX_STEPS = 100_000
"""Loop turns, calls, filters and operations that one rendering may take together."""

MAX_SECONDS = 1.0
"""Processor time that they may take together."""

MAX_WORK = 8 * MAX_TEXT
"""Characters of all texts, lists and objects that one rendering makes on its way."""

MAX_SOURCE = 2**20
MAX_TOKENS = 20_000
"""Characters of a template, and words and signs within its braces."""

FILTERS = {
    "abs", "count", "d", "default", "dictsort", "first", "float", "groupby", "items",
    "last", "length", "list", "map", "max", "min", "reject", "rejectattr", "reverse",
    "select", "selectattr", "sort", "truncate", "unique",
}  # fmt: skip
"""Filters of Jinja's whose result is bounded by what they are given; others are below."""

LISTING = {
    "dictsort", "groupby", "join", "list", "map", "max", "min", "reject", "rejectattr", "select",
    "selectattr", "sort", "sum", "unique",
}  # fmt: skip
"""Filters that take a text for a list of its characters."""

TESTS = {
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping",
    "ne", "none", "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper",
    "==", "!=", ">", ">=", "<", "<=",
}  # fmt: skip

ATTRIBUTES: Mapping[type, set[str]] = {
    str: {
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha",
        "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "lower",
        "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit",
        "split", "splitlines", "startswith", "swapcase", "title", "upper",
    },
    Mapping: {"get", "items", "keys", "values"},
    list: {"count", "index"},
    tuple: {"count", "grouper", "index", "list"},
    LoopContext: {
        "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length",
        "nextitem", "previtem", "revindex", "revindex0",
    },
}  # fmt: skip
"""What templates may reach of objects, besides the entries of mappings."""


class Budget:
    """What is left to one rendering. Raises TemplateRuntimeError when something is used up."""

    __slots__ = ("_characters", "_ends", "_steps")

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_WORK
        self._ends = 0.0

    def step(self) -> None:
        """Takes one step."""
        self._steps -= 1
        if self._steps < 0:
            refuse(f"the template takes more than {MAX_STEPS} steps")
        # Processor time: a busy machine must not fail a template that another one renders.
        now = thread_time()
        if not self._ends:
            self._ends = now + MAX_SECONDS
        elif now > self._ends:
            refuse(f"the template takes more than {MAX_SECONDS:g} s")

    def keep(self, value: Any) -> Any:
        """Counts what was made on the way, and gives it back."""
        if isinstance(value, str):
            self._characters -= len(value)
        elif isinstance(value, list | tuple | dict):
            self._characters -= weight(value)
        if self._characters < 0:
            refuse(f"the template makes more than {MAX_WORK} characters on its way")
        return value


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment without what untrusted templates could do harm with.

    It has no globals but `range`, a list of filters, tests and attributes, and no way to a Python
    object. Whatever makes a text or can be repeated goes through the budget of the rendering; what
    the compiler works out ahead goes through a budget as well. It serves one thread.
    """

    intercepted_binops = frozenset({"*", "**", "+", "%", "//"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True, finalize=plain)
        self.budget = Budget()
        self.globals = {"range": bounded_range}
        filters: dict[str, Any] = {
            k: v for k, v in self.filters.items() if k in FILTERS
        } | OWN_FILTERS
        filters |= {name: listing(filters[name]) for name in LISTING}
        self.filters = {name: self._metered(filter) for name, filter in filters.items()}
        self.filters |= {
            TURNS: self._turns,
            MADE: self._metered(itself),
            CHAINED: self._metered(join),
        }
        tests: dict[str, Any] = self.tests
        self.tests = {k: self._metered(v) for k, v in tests.items() if k in TESTS}

    def concat(self, parts: Iterable[str]) -> str:
        """Joins what a template, a macro or a block gives."""
        kept, size = [], 0
        for part in parts:
            kept.append(part)
            size += len(part)
            if size > MAX_TEXT:
                too_long()
        text: str = self.budget.keep(kept[0] if len(kept) == 1 else "".join(kept))
        return text

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field before a method: a column may well be called `items`."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, str) and attribute in OWN_METHODS:
            return partial(OWN_METHODS[attribute], obj)
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return any(isinstance(obj, kind) and attr in names for kind, names in ATTRIBUTES.items())

    def wrap_str_format(self, value: Any) -> None:
        """Texts have no `format` here; its widths and fields would go past the budget."""

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        self.budget.step()
        return self.budget.keep(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self.budget.step()
        check_operation(operator, left, right)
        return self.budget.keep(super().call_binop(context, operator, left, right))

    def _metered(self, filter: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(filter)
        def metered(*args: Any, **kwargs: Any) -> Any:
            self.budget.step()
            return self.budget.keep(filter(*args, **kwargs))

        return metered

    def _turns(self, values: Iterable[Any]) -> Iterator[Any]:
        """The values of a loop, a step each."""
        for value in values:
            self.budget.step()
            yield value

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        if len(source) > MAX_SOURCE:
            raise TemplateSyntaxError(f"the template is longer than {MAX_SOURCE} characters", 1)
        tokens = (line for line, kind, _ in self.lex(source) if kind != "data")
        for number, line in enumerate(tokens):
            if number > MAX_TOKENS:
                raise TemplateSyntaxError("the template is too long within its braces", line)
        self.budget = Budget()
        tree: nodes.Template = Rewriter().visit(super()._parse(source, name, filename))
        return tree


TURNS, MADE, CHAINED = " turns", " made", " chained"
"""Filters that templates cannot write: their names have a space."""


class Rewriter(NodeTransformer):
    """Puts filters around what Jinja does without asking its environment: loops, literals, slices,
    comparisons and `~`. Refuses what no template of a row needs."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateSyntaxError("a loop cannot be recursive", node.lineno)
        self.generic_visit(node)
        node.iter = filtered(node.iter, TURNS)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return filtered(nodes.List(node.nodes, lineno=node.lineno), CHAINED)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return node if node.ctx == "store" else filtered(node, MADE)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return filtered(node, MADE)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return filtered(node, MADE) if isinstance(node.arg, nodes.Slice) else node

    visit_Dict = visit_Compare = visit_List

    def visit_ScopedEvalContextModifier(self, node: nodes.Node) -> NoReturn:
        raise TemplateSyntaxError("'autoescape' is for HTML", node.lineno)

    def refuse(self, node: nodes.Node) -> NoReturn:
        raise TemplateSyntaxError("a template cannot load another one", node.lineno)

    visit_Extends = visit_Include = visit_Import = visit_FromImport = refuse


def itself(value: Any) -> Any:
    return value


def filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
