"""Keeps what templates quote from passing for the template itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from evald.filters import plain
from evald.sandbox import Sandbox

LONGEST = 80
"""Characters of a line of a template that counts as a mark."""

LABEL = re.compile(r"\w[\w '()/-]{0,40}:")

TOKENS = r"<(?=\|)|<(?=/?s>)|<(?=(?:start|end)_of_turn>)|<(?=</?SYS>>)|\[(?=/?INST\])"
"""Where tokens begin by which model servers tell messages apart, such as `<|im_end|>`."""


class GuardedSandbox(Sandbox):
    """A sandbox for templates whose reader takes all of the text for instructions, as a judge does.

    A template sets marks around what it quotes: `[END ANSWER]`, `</answer>`, three backticks, a
    line that begins with `Reference:`. In what is quoted, a mark of the same template, and a token
    by which model servers tell messages apart, is broken by a space, and a line that begins with a
    label of the template by `> `. So quoted text can end nowhere but where the template ends it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._marks: set[str] = set()
        self._labels: set[str] = set()
        self._forged: re.Pattern[str] | None = None
        self.finalize = self._guard

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for line in lines(tree):
            if label := LABEL.match(line):
                self._labels.add(label[0])
            elif not line[0].isalnum():
                self._marks.add(line)
        self._forged = None
        return tree

    def _guard(self, value: Any) -> Any:
        value = plain(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._pattern.sub(broken, str(value))

    @property
    def _pattern(self) -> re.Pattern[str]:
        if self._forged is None:
            marks = [re.escape(mark) for mark in sorted(self._marks, key=len, reverse=True)]
            labels = [re.escape(label) for label in sorted(self._labels)]
            begun = [rf"^[ \t]*(?:{'|'.join(labels)})"] if labels else []
            self._forged = re.compile(
                "|".join([TOKENS, *marks, *begun]), re.MULTILINE | re.IGNORECASE
            )
        return self._forged


def lines(tree: nodes.Template) -> Iterator[str]:
    """The short lines of what a template says itself."""
    for data in tree.find_all(nodes.TemplateData):
        for line in data.data.splitlines():
            if 2 < len(line := line.strip()) <= LONGEST:
                yield line


def broken(found: re.Match[str]) -> str:
    """A forged mark that is none any more."""
    text = found[0]
    if LABEL.fullmatch(text.strip()):
        return f"> {text}"
    return f"{text[0]} {text[1:]}"
