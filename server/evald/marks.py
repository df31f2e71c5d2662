"""What in a template tells its readers where that ends which it quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

LONGEST = 80
"""Characters of a line of a template that counts as a mark."""

BRACKETS = re.compile(r"\[[^\[\]\s][^\[\]\n]{0,77}\]|<[^<>\s][^<>\n]{0,77}>")
RULE = re.compile(r"([#=\-*`~_|+])\1\1+")
"""What a line of a template begins with that is a mark by itself: something in brackets, or three
signs or more."""

LABEL = re.compile(r"\w[\w '()/-]{0,40}[:\uFF1A](?!//)")
LAST_LABEL = re.compile(r"\w[\w '()/-]{0,40}[:\uFF1A]\s*$")
DECORATION = " \t>*_#-"
"""What labels and headings may begin with."""

COLONS = ":\N{FULLWIDTH COLON}"
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"
STOPS = ".,;:!?"
"""Signs that end a part of a sentence, and delimit nothing."""

TOKENS = "|".join(
    [
        r"[<\uFF1C](?=[|\uFF5C])",
        r"<(?=/?(?:s|bos|eos|pad|unk|mask|cls|sep|think|thinking|tool_call|tool_response)>)",
        r"<(?=(?:start|end|begin)_of_\w+>)",
        r"<(?=</?SYS>>)",
        r"(?-i:\[(?=/?(?:INST|IMG|ARGS|THINK|PREFIX|SUFFIX|MIDDLE|[A-Z]+_[A-Z_]+)\]))",
    ]
)
"""Where tokens begin by which model servers tell messages apart and thoughts from answers, such as
`<|im_end|>`, `[TOOL_CALLS]`, `</think>`, and with the wide signs of DeepSeek's."""


class Marks:
    """The marks of templates that are read together, as the messages of one chat are.

    `signs` finds brackets, lines that begin with three signs, and tokens; `words` labels and
    headings. Between their words any white space counts, and capitals do not.
    """

    def __init__(self) -> None:
        self._signs: set[str] = set()
        self._words: set[str] = set()

    def add(self, own: Sequence[str]) -> None:
        """Takes the marks from what one template says itself, in pieces: between two of them it
        does or quotes something."""
        for number, piece in enumerate(own):
            lines = piece.split("\n")
            filled = [i for i, line in enumerate(lines) if line.strip()]
            for i in filled:
                follows = number > 0 and i == 0
                leads = number < len(own) - 1 and i == len(lines) - 1
                is_next = (number > 0 and i == filled[0]) or (
                    number < len(own) - 1 and i == filled[-1]
                )
                self._add_line(lines[i].strip(), follows, leads, is_next)
        for name in ("signs", "words"):
            self.__dict__.pop(name, None)

    @cached_property
    def signs(self) -> re.Pattern[str]:
        """Marks in which a space makes a difference."""
        listed = sorted(self._signs, key=len, reverse=True)
        return re.compile("|".join([TOKENS, *listed]), re.MULTILINE | re.IGNORECASE)

    @cached_property
    def words(self) -> re.Pattern[str]:
        """Labels and headings."""
        listed = sorted(self._words, key=len, reverse=True) or ["(?!)"]
        return re.compile("|".join(listed), re.MULTILINE | re.IGNORECASE)

    def _add_line(self, line: str, follows: bool, leads: bool, is_next: bool) -> None:
        """`follows` a value in the same line, `leads` to one there, or `is_next` to one."""
        if is_next:
            self._signs |= {spaced(found) for found in BRACKETS.findall(line)}
        if is_sign(line) and len(line) <= LONGEST:
            begins = r"^[ \t]*" if RULE.fullmatch(line) else ""
            self._signs.add(begins + spaced(line))
            return
        text = line.lstrip(DECORATION)
        begins = r"(?<!\w)" if follows else rf"^[{re.escape(DECORATION)}]*"
        if label := LABEL.match(text):
            self._words.add(begins + spaced(label[0]))
        if leads and (label := LAST_LABEL.search(text)) and label.start():
            self._words.add(r"(?<!\w)" + spaced(label[0]))
        if is_next and not (follows or leads) and is_heading(text):
            ends = r"(?!\w)" if len(text.split()) > 1 else r"[ \t]*$"
            self._words.add(begins + spaced(text) + ends)


def spaced(mark: str) -> str:
    """A pattern of a mark, whatever white space is between its words."""
    words = r"\s+".join(map(re.escape, mark.split()))
    return re.sub(r"(?<=\w)([:\uFF1A])$", r"\\s*\1", words)


def is_sign(line: str) -> bool:
    """Whether a line begins with what is a mark by itself."""
    return bool(BRACKETS.match(line) or RULE.match(line))


def is_heading(line: str) -> bool:
    """Whether a line is short, and no sentence."""
    return bool(line) and len(line) <= LONGEST and line[0].isalnum() and line[-1] not in STOPS


def closer(after: str) -> re.Pattern[str] | None:
    """Finds in a value the sign, such as a quotation mark, by which the template closes it; None
    when what the template says `after` it begins with something else."""
    attached = after.lstrip(STOPS)
    line = after.strip().partition("\n")[0]
    if attached[:1].strip() and not attached[0].isalnum():
        if BRACKETS.match(attached):
            return None
        begins, text = "", attached
    elif line and not line[0].isalnum() and line[0] not in STOPS:
        is_own = "\n" in after[: after.index(line)]
        if BRACKETS.match(line) or (is_own and RULE.match(line)):
            return None
        begins, text = (r"^[ \t]*" if is_own else r"(?<!\S)"), line
    else:
        return None
    sign = re.match(r"(.)\1*", text)
    assert sign is not None
    follows = text[sign.end() : sign.end() + 1]
    if begins and follows.strip():
        return None  # part of a word such as `(see`
    ends = r"(?!\S)" if begins else r"(?!\w)" if sign[0] in APOSTROPHES else ""
    return re.compile(begins + re.escape(sign[0]) + ends, re.MULTILINE)


def is_bare(before: str, after: str) -> bool:
    """Whether on one side of a value there is nothing but blanks or prose."""
    lead = before.strip().rpartition("\n")[2].strip()
    follow = after.lstrip(STOPS).strip().partition("\n")[0].strip()
    begun = is_mark_end(lead) or lead[-1:] in COLONS or is_heading_beside(lead, before)
    ended = is_mark_end(follow[::-1]) or LABEL.match(follow) or is_heading_beside(follow, after)
    return not ((not lead or begun) and (not follow or ended))


def is_heading_beside(line: str, said: str) -> bool:
    """Whether a line is a heading, and the value next to what is `said` in another line."""
    between = said[: said.index(line)] + said[said.rindex(line) + len(line) :]
    return is_heading(line) and "\n" in between


def is_prose(before: str, after: str) -> bool:
    """Whether a value stands in a line with words of the template."""
    beside = (before.rpartition("\n")[2], after.partition("\n")[0])
    return any(char.isalnum() for line in beside for char in line)


def is_mark_end(line: str) -> bool:
    """Whether a line ends in a sign that delimits something."""
    return bool(line) and not line[-1].isalnum() and line[-1] not in STOPS
