"""The categories of questions, the groups of them, and those that cannot be asked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evald.suggest import unknown

Language = Literal["python", "java", "javascript"]
Form = Literal["simple", "multiple", "parallel", "irrelevance", "relevance"]


@dataclass(frozen=True, slots=True)
class Category:
    """Questions of one kind. `file` is what version 4 of the data calls it, if not by its name.

    `form` says what is right: one call, one call of one out of several functions, several calls in
    any order, no call, or any call.
    """

    name: str
    form: Form
    language: Language = "python"
    file: str = ""

    @property
    def source(self) -> str:
        return self.file or self.name


NON_LIVE = (
    Category("simple", "simple", file="simple_python"),
    Category("irrelevance", "irrelevance"),
    Category("parallel", "parallel"),
    Category("multiple", "multiple"),
    Category("parallel_multiple", "parallel"),
    Category("java", "simple", "java", "simple_java"),
    Category("javascript", "simple", "javascript", "simple_javascript"),
)
LIVE = (
    Category("live_simple", "simple"),
    Category("live_multiple", "multiple"),
    Category("live_parallel", "parallel"),
    Category("live_parallel_multiple", "parallel"),
    Category("live_irrelevance", "irrelevance"),
    Category("live_relevance", "relevance"),
)

CATEGORIES = {category.name: category for category in (*NON_LIVE, *LIVE)}
SOURCES = {category.source: category for category in CATEGORIES.values()}
"""By what version 4 of the data calls them."""

PYTHON = tuple(c for c in CATEGORIES.values() if c.language == "python")
ALL = tuple(CATEGORIES.values())

GROUPS = {
    "all": ALL,
    "all_scoring": ALL,
    "single_turn": ALL,
    "ast": ALL,
    "non_live": NON_LIVE,
    "live": LIVE,
    "python": PYTHON,
    "python_ast": PYTHON,
    "non_python": tuple(c for c in ALL if c.language != "python"),
}

EXECUTED = "it compares what calls return, for which web services with keys have to be called"
TURNS = "it runs the functions of simulated services between the turns of a conversation"
REASONS = {
    **dict.fromkeys(
        (
            "executable", "exec_simple", "exec_parallel", "exec_multiple",
            "exec_parallel_multiple", "rest",
        ),
        EXECUTED,
    ),
    **dict.fromkeys(
        (
            "multi_turn", "multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param",
            "multi_turn_long_context", "multi_turn_composite",
        ),
        TURNS,
    ),
    **dict.fromkeys(
        ("web_search", "web_search_base", "web_search_no_snippet"),
        "it needs the key of a search engine",
    ),
    **dict.fromkeys(
        ("memory", "memory_kv", "memory_vector", "memory_rec_sum", "agentic"),
        "it needs agents that have a memory or a search engine",
    ),
    "format_sensitivity": "it compares ways to prompt, and counts in no score",
    "sql": "there is no way to check its answers",
    "chatable": "there is no way to check its answers",
}  # fmt: skip
"""Why categories and groups cannot be asked here."""

LEFT_OUT = {
    "all": ("executable", "multi_turn", "agentic"),
    "all_scoring": ("multi_turn", "agentic"),
    "single_turn": ("executable",),
    "non_live": ("executable",),
    "python": ("executable",),
}
"""What groups have besides that cannot be asked here."""


def named(name: str) -> Category | None:
    """The category of that name, in version 3 or 4 of the data."""
    return CATEGORIES.get(name) or SOURCES.get(name)


def categories_of(name: str) -> Sequence[Category]:
    """The category of that name, or those of a group. Raises ValueError that says why there are
    none."""
    if found := named(name):
        return (found,)
    if name in GROUPS:
        return GROUPS[name]
    can = f"what can be asked: {', '.join([*CATEGORIES, *GROUPS])}"
    if name in REASONS:
        raise ValueError(f"{name!r} cannot be asked here, for {REASONS[name]}; {can}")
    raise ValueError(unknown(name, [*CATEGORIES, *GROUPS]))


def category_of(identifier: object) -> Category | None:
    """The category that the id of a question tells, such as `live_simple_3-1-0`."""
    return named(str(identifier).rpartition("_")[0])
