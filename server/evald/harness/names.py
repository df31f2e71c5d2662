"""The names of lm-eval's tasks, read from its files: to import it takes seconds, and to have it
index its tasks takes ten."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from evald.harness.shelf import Shelf

HERE = str(Path(__file__).parent)

ADDED = f"{HERE}/tasks"
"""The folder of tasks that the reference names and lm-eval does not have."""

INSTALL = "lm-eval is not installed: pip install 'evald[harness]'"

KEYS = re.compile(
    r"""^["']?(task|group|tag|class|include|unsafe_code)["']?[ \t]*:"""
    r"""[ \t]*(.*(?:\n[ \t]*-[ \t].*)*)""",
    re.MULTILINE,
)
"""The members of a task's file that name things, each with its text or its list."""

NAME = re.compile(
    r"""^[ \t]*(?:-[ \t]+)?(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#"'\[{][^#\n]*?))[ \t]*(?:#.*)?$"""
)
"""One of these names, perhaps quoted, perhaps an entry of a list."""


class Loader(yaml.SafeLoader):
    """Reads task files and leaves their functions alone."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


@dataclass(slots=True)
class Index:
    """The file of each task and group, and the tasks of each tag."""

    files: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    tags: dict[str, list[str]] = field(default_factory=dict)
    unsafe: set[str] = field(default_factory=set)
    """Tasks that run what the model wrote."""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Index:
        """An index again from what `plain` said."""
        sets = {name: set(kept[name]) for name in ("groups", "unsafe")}
        return cls(kept["files"], sets["groups"], kept["tags"], sets["unsafe"])

    def plain(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        sets = {"groups": sorted(self.groups), "unsafe": sorted(self.unsafe)}
        return {"files": self.files, "tags": self.tags, **sets}

    def __contains__(self, name: object) -> bool:
        return name in self.files or name in self.tags

    def __iter__(self) -> Iterator[str]:
        yield from self.files
        yield from (tag for tag in self.tags if tag not in self.files)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def folders(self, name: str) -> list[Path]:
        """The folders of all that belongs to a task, group or tag; none lies in another."""
        found = {Path(path).parent for path in self._closure(name)}
        return sorted(f for f in found if not found & set(f.parents))

    def _closure(self, name: str) -> set[str]:
        paths: set[str] = set()
        seen: set[str] = set()
        rest = [name]
        while rest:
            one = rest.pop()
            if one in seen:
                continue
            seen.add(one)
            if one in self.files:
                paths.add(self.files[one])
            if one in self.groups:
                rest += members(self.files[one])
            elif one not in self.files:
                rest += self.tags.get(one, [])
        return paths


def root() -> str | None:
    """The folder of lm-eval's tasks; None when it is not installed."""
    spec = find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        return None
    return os.path.join(spec.submodule_search_locations[0], "tasks")  # noqa: PTH118, see read_all


@cache
def index() -> Index:
    """What the installed lm-eval knows, and what is ADDED to it; empty when there is none."""
    top = root()
    if top is None:
        return Index()
    shelf = Shelf([top, HERE])  # what reads may change as well as what is read
    if kept := shelf.take():
        return Index.of(kept)
    found = read_all([*tasks_below(top), *tasks_below(ADDED)])
    shelf.put(found.plain())
    return found


def read_all(paths: Iterable[str]) -> Index:
    """The index of task files. They are plain texts here: there are fourteen thousand. Of two tasks
    with one name the first path counts, lm-eval's before ours."""
    found = Index()
    texts: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        said = read(path, texts)
        if "group" in said and "class" not in said:
            for name in said["group"][:1]:
                if name not in found:
                    found.groups.add(name)
                found.files.setdefault(name, path)
        elif len(said.get("task", ())) == 1:
            (name,) = said["task"]
            if name not in found.files:
                found.files[name] = path
                if said.get("unsafe_code") == ["true"]:
                    found.unsafe.add(name)
                for tag in said.get("tag", ()):
                    found.tags.setdefault(tag, []).append(name)
    return found


def tasks_below(top: str) -> list[str]:
    """Files of tasks in a folder, in order."""
    return sorted(
        f"{folder}/{name}"
        for folder, _, files in os.walk(top)
        for name in files
        if name.endswith(".yaml")
    )


def read(path: str, texts: dict[str, dict[str, list[str]]]) -> dict[str, list[str]]:
    """The names in a file, and in what it includes."""
    if path not in texts:
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123, see read_all
                said = named(file.read())
        except (OSError, UnicodeDecodeError):
            said = {}
        texts[path] = said
        for included in said.pop("include", ()):
            beside = f"{os.path.dirname(path)}/{included}"  # noqa: PTH120, see read_all
            for key, names in read(os.path.normpath(beside), texts).items():
                said.setdefault(key, names)
    return texts[path]


def named(text: str) -> dict[str, list[str]]:
    """What a file says by itself, by KEYS."""
    found: dict[str, list[str]] = {}
    for key, value in KEYS.findall(text):
        if value.startswith("["):
            value = value.strip("[] \t").replace(",", "\n")
        matches = (NAME.match(line) for line in value.splitlines())
        found[key] = [m[1] or m[2] or m[3] for m in matches if m]
    return found


def members(path: str) -> list[str]:
    """What the group in a file consists of."""
    loader = Loader(Path(path).read_text("utf-8"))
    try:
        document = loader.get_single_data()
    finally:
        loader.dispose()
    return list(_members(document.get("task")))


def _members(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _members(item)
    elif isinstance(value, dict):
        yield from _members(value.get("group"))
        yield from _members(value.get("task"))
