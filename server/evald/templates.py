"""Templates of users: texts, and lists and objects of texts, that are rendered for each row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError, nodes

from evald.errors import EvaluationError, InvalidArgument
from evald.filters import to_json
from evald.sandbox import Budget, Sandbox

_MARKED = re.compile(r"\{[{%#]")

Render = Callable[[Mapping[str, Any]], Any]


class Template:
    """A compiled template.

    `place` is where it stands in the config. `value` gives what a text ending in `tojson` stands
    for, so that a text can give lists, objects, numbers and null; `text` gives it as it is written.
    Both raise EvaluationError of kind `template`, naming the place.
    """

    def __init__(self, value: Render, text: Render, place: str) -> None:
        self.place = place
        self.value = value
        self._text = text

    def text(self, context: Mapping[str, Any]) -> str:
        """What the template gives for a row, as a text; lists and objects as JSON."""
        return text_of(self._text(context))


class Templates:
    """Compiles templates. `place` is where in the config their fields are; sample errors tell it.

    One of these serves one thread.
    """

    def __init__(self, place: str = "", sandbox: Sandbox | None = None) -> None:
        self._place = place
        self._sandbox = sandbox or Sandbox()

    def under(self, place: str) -> Templates:
        """Compiles what is at `place`."""
        return Templates(place, self._sandbox)

    def within(self, sandbox: Sandbox) -> Templates:
        """Compiles for another sandbox."""
        return Templates(self._place, sandbox)

    def compile(self, source: Any, field: str) -> Template:
        """Raises InvalidArgument naming the field, and the line where a text is malformed."""
        place = f"{self._place}.{field}" if self._place else field
        value, text = _compile(self._sandbox, source, field, place)
        return Template(value, text, place)


def text_of(value: Any) -> str:
    """A value as a text: lists, objects, null, true and false as JSON."""
    return value if isinstance(value, str) else to_json(value)


def _compile(sandbox: Sandbox, source: Any, field: str, place: str) -> tuple[Render, Render]:
    """What gives the value of a template, and its text."""
    match source:
        case str() if _MARKED.search(source):
            return _compile_text(sandbox, source, field, place)
        case Mapping():
            members = {
                k: _compile(sandbox, v, f"{field}.{k}", f"{place}.{k}")[0]
                for k, v in source.items()
            }
            render: Render = lambda context: {k: m(context) for k, m in members.items()}  # noqa: E731
        case list():
            entries = [
                _compile(sandbox, v, f"{field}.{i}", f"{place}.{i}")[0]
                for i, v in enumerate(source)
            ]
            render = lambda context: [e(context) for e in entries]  # noqa: E731
        case _:
            render = lambda context: source  # noqa: E731
    return render, render


def _compile_text(sandbox: Sandbox, source: str, field: str, place: str) -> tuple[Render, Render]:
    try:
        tree = sandbox.parse(source)
        is_json = _gives_json(tree)
        template = sandbox.from_string(tree)
    except TemplateSyntaxError as e:
        raise InvalidArgument.of(field, f"line {e.lineno}: {e.message}") from None
    except (SyntaxError, RecursionError, MemoryError):
        raise InvalidArgument.of(field, "the template is nested too deeply") from None
    except (OverflowError, ValueError) as e:
        raise InvalidArgument.of(field, f"the template cannot be read: {e}") from None
    template.globals = sandbox.globals  # in place of a chain of dicts, copied for each rendering
    root: Any = template.root_render_func
    new_context: Any = template.new_context

    def text(context: Mapping[str, Any]) -> str:
        sandbox.budget = Budget()
        try:
            return sandbox.concat(root(new_context(context)))
        except UndefinedError as e:
            fields = ", ".join(k for k in context if k not in {"item", "sample"})
            message = f"{e.message} (the row has: {fields[:500] or 'no fields'})"
            if str(e.message).startswith("'sample' is"):
                message += "; no model was asked: name the row's own field, as {{ item.answer }}"
        except RecursionError:
            message = "the template calls itself too often"
        except MemoryError:
            message = "the template needs too much memory"
        except Exception as e:
            message = str(e) or type(e).__name__
        raise EvaluationError("template", f"{place}: {message}")

    def value(context: Mapping[str, Any]) -> Any:
        try:
            return json.loads(text(context))
        except (ValueError, RecursionError) as e:
            raise EvaluationError("template", f"{place}: {e}") from None

    return (value if is_json else text), text


def _gives_json(tree: nodes.Template) -> bool:
    """Whether a template is one expression that ends in `tojson`, with only white space around."""
    match tree.body:
        case [nodes.Output(nodes=parts)]:
            parts = [
                p for p in parts if not (isinstance(p, nodes.TemplateData) and p.data.isspace())
            ]
            return (
                len(parts) == 1 and isinstance(parts[0], nodes.Filter) and parts[0].name == "tojson"
            )
    return False


def context_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """What templates see of a row: `item`, and its fields by themselves."""
    names = field_names(tuple(item))
    row = {names[key]: value for key, value in item.items()}
    return {**row, "item": row}


def with_answer(context: Mapping[str, Any], sample: Mapping[str, Any]) -> dict[str, Any]:
    """What templates see of a row and the model's answer: `sample` and its fields as well, before
    fields of the row that have the same name."""
    return {**context, **sample, "item": context["item"], "sample": sample}


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
