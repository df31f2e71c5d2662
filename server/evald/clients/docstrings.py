"""A collection for retrieval that every Python has: the docstrings of its standard library."""

from __future__ import annotations

import ast
import io
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from evald.clients.sources import absent

DOCSTRINGS = "python"

LEFT_OUT = frozenset({"idlelib", "lib2to3", "test", "tests", "tkinter", "turtledemo"})
"""Tests, and what some systems install apart."""


class Docstrings:
    """The collection as BEIR writes one.

    A query is the first line of the docstring of a function or a class, and what answers it the
    rest of the same docstring. For one version of Python it is always the same.
    """

    def names(self, path: str) -> list[str]:
        """Files at or below a path."""
        prefix = f"{path.rstrip('/')}/" if path else ""
        return [name for name in FILES if name == path or name.startswith(prefix)]

    def open(self, name: str) -> BinaryIO:
        """Raises EvaluationError of kind `dataset`."""
        if name not in FILES:
            raise absent(name)
        return io.BufferedReader(cast(io.RawIOBase, _Lines(FILES[name]())))


class _Lines(io.RawIOBase):
    """Lines as a file, no more of them in memory than one."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._lines, b"")
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@cache
def described() -> Sequence[tuple[str, str, str]]:
    """Name, first line and the rest of each docstring that has both, by module: some 3,500, which
    take a second or two to find and a megabyte to keep."""
    return tuple(_described())


def _described() -> Iterator[tuple[str, str, str]]:
    root = Path(sysconfig.get_path("stdlib"))
    for module in sorted(sys.stdlib_module_names - LEFT_OUT):
        folder = sorted((root / module).rglob("*.py"))
        for path in chain(sorted(root.glob(f"{module}.py")), folder):
            parts = path.relative_to(root).with_suffix("").parts
            if LEFT_OUT.isdisjoint(parts):
                name = ".".join(part for part in parts if part != "__init__")
                yield from _docstrings(ast.parse(path.read_bytes()), name)


def _docstrings(holder: ast.AST, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Those of the functions and classes in a module or a class; of several that have one name
    the first."""
    seen = set()
    for node in ast.iter_child_nodes(holder):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        name = f"{prefix}.{node.name}"
        if name in seen:
            continue
        seen.add(name)
        first, _, rest = (ast.get_docstring(node) or "").strip().partition("\n")
        if first and rest.strip():
            yield name, first.strip(), rest.strip()
        if isinstance(node, ast.ClassDef):
            yield from _docstrings(node, name)


def _corpus() -> Iterator[bytes]:
    for name, _, rest in described():
        yield orjson.dumps({"_id": name, "title": "", "text": rest}) + b"\n"


def _queries() -> Iterator[bytes]:
    for name, first, _ in described():
        yield orjson.dumps({"_id": name, "text": first}) + b"\n"


def _judgments() -> Iterator[bytes]:
    yield b"query-id\tcorpus-id\tscore\n"
    for name, _, _ in described():
        yield f"{name}\t{name}\t1\n".encode()


FILES: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "corpus.jsonl": _corpus,
    "queries.jsonl": _queries,
    "qrels/test.tsv": _judgments,
}
