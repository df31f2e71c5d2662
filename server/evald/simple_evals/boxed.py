"""Answers in LaTeX boxes."""

from __future__ import annotations

import re

BOX = re.compile(r"\\boxed\{")


def boxes(text: str) -> list[str]:
    """What the closed boxes of a text hold, outer ones alone."""
    found, at = [], 0
    while opened := BOX.search(text, at):
        depth, end = 1, opened.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if depth:
            at = opened.end()  # it is never closed; one within may be
            continue
        found.append(text[opened.end() : end - 1])
        at = end
    return found
