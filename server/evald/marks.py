"""What in a template tells its readers where that ends which it quotes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property

LONGEST = 80
"""Characters of a line of a template that counts as a mark."""

BRACKETS = re.compile(r"\[[^\[\]\s][^\[\]\n]{0,77}\]|<[^<>\s][^<>\n]{0,77}>")
TAG = re.compile(r"([<\[])(/?)(.*\w.*)([>\]])")
RULE = re.compile(r"([#=\-*`~_|+])\1\1+")
"""What a line of a template begins with that is a mark by itself: something in brackets, or three
signs or more."""

ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
UNSEEN = (
    r"\xad\u034f\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0"
)
BLANK = rf"\s{UNSEEN}"
"""Characters, as sets of patterns have them, that end lines, that have no width, and that readers
see nothing of."""

LINE_END = re.compile(f"[{ENDS}]")
LINE_START = rf"(?:\A|(?<=[{ENDS}]))"
INDENT = rf"(?:[^\S{ENDS}]|[{UNSEEN}])*+"

DECORATION = rf"(?:[^\w{ENDS}]|[_{UNSEEN}])*+"
"""What labels and headings may begin with: signs, but not words."""

NUMBERING = rf"(?:(?:[0-9]{{1,3}}[.)]|[a-z][.)](?!\w)){DECORATION}){{0,3}}"
"""What may stand before a label as well, such as `1.`."""

LOOSE = rf"[{BLANK}*_`~\"')\]]"
"""What may stand between a label and its colon."""

EMPHASIS = "*`"
"""Signs that may stand between words."""

HEADED = rf"(?=(?:[^\w{ENDS}.,;!?]|_)*+(?:\Z|[{ENDS}]))"
"""The end of a line with nothing but a heading."""

LABEL = re.compile(rf"(\w[\w '()/-]{{0,40}}){LOOSE}{{0,8}}[:\uFF1A](?!//)")
LAST_LABEL = re.compile(r"(\w[\w '()/-]{0,40})[*_`]{0,3}[:\uFF1A][*_`\s]*$")

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

    `signs` finds brackets, lines that begin with three signs, and tokens; `brackets` all but these
    lines; `words` labels, headings, and brackets that are written with other blanks. Capitals do
    not count, nor which blanks are between words.
    """

    def __init__(self) -> None:
        self._brackets: set[str] = set()
        self._rules: set[str] = set()
        self._words: set[str] = set()
        self._starts: set[str] = set()

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
        for name in ("signs", "brackets", "words"):
            self.__dict__.pop(name, None)

    @cached_property
    def signs(self) -> re.Pattern[str]:
        """Marks in which a space makes a difference."""
        return any_of(TOKENS, *longest_first(self._brackets | self._rules))

    @cached_property
    def brackets(self) -> re.Pattern[str]:
        """Tokens, and marks in brackets."""
        return any_of(TOKENS, *longest_first(self._brackets))

    @cached_property
    def words(self) -> re.Pattern[str]:
        """Labels, headings, and brackets with other blanks."""
        listed = longest_first(self._words)
        if self._starts:
            starts = "|".join(longest_first(self._starts))
            listed.append(f"{LINE_START}{DECORATION}{NUMBERING}(?:{starts})")
        return any_of(*listed)

    def _add_line(self, line: str, follows: bool, leads: bool, is_next: bool) -> None:
        """`follows` a value in the same line, `leads` to one there, or `is_next` to one."""
        if is_next:
            self._add_brackets(BRACKETS.findall(line))
        if is_sign(line) and len(line) <= LONGEST:
            if BRACKETS.fullmatch(line):
                self._add_brackets([line])
            elif BRACKETS.match(line):
                self._brackets.add(spaced(line))
            else:
                begins = LINE_START + INDENT if RULE.fullmatch(line) else ""
                self._rules.add(begins + spaced(line))
            return
        text = re.sub(DECORATION, "", line, count=1)
        unnumbered = re.sub(NUMBERING, "", text, count=1, flags=re.IGNORECASE)
        if label := LABEL.match(unnumbered):
            self._add_words(labelled(label[1]), follows)
        if leads and (label := LAST_LABEL.search(text)) and label.start():
            self._add_words(labelled(label[1]), True)
        if is_next and not (follows or leads) and is_heading(text):
            ends = r"(?!\w)" if len(text.split()) > 1 else HEADED
            self._add_words(spaced(text, EMPHASIS) + ends, follows)

    def _add_words(self, pattern: str, anywhere: bool) -> None:
        if anywhere:
            self._words.add(r"(?<![^\W_])" + pattern)
        else:
            self._starts.add(pattern)

    def _add_brackets(self, marks: Sequence[str]) -> None:
        for mark in marks:
            self._brackets.add(spaced(mark))
            if tag := TAG.fullmatch(mark):
                self._words.add(f"(?!{spaced(mark)}){loosened(*tag.groups())}")


def any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns) or "(?!)", re.IGNORECASE)


def longest_first(patterns: Collection[str]) -> list[str]:
    return sorted(patterns, key=lambda pattern: (-len(pattern), pattern))


def spaced(mark: str, between: str = "") -> str:
    """A pattern of a mark, whatever blanks, or signs of `between`, are between its words."""
    gap = f"[{BLANK}{between}]+"
    words = [re.escape(word) for word in re.split(gap, mark) if word]
    colon = re.compile(r"(?<=\w)[:\uFF1A]$")
    return colon.sub(lambda found: f"[{BLANK}]*{found[0]}", gap.join(words))


def labelled(label: str) -> str:
    """A pattern of a label with its colon."""
    return f"{spaced(label, EMPHASIS)}{LOOSE}*[{COLONS}]"


def loosened(*parts: str) -> str:
    """A pattern of a mark in brackets, whatever blanks are within these: `</answer >`."""
    return f"[{BLANK}]*".join(spaced(part) for part in parts if part)


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
        begins, text = (LINE_START + INDENT if is_own else rf"(?<![^{BLANK}])"), line
    else:
        return None
    sign = re.match(r"(.)\1*", text)
    assert sign is not None
    follows = text[sign.end() : sign.end() + 1]
    if begins and follows.strip():
        return None  # part of a word such as `(see`
    ends = rf"(?![^{BLANK}])" if begins else r"(?!\w)" if sign[0] in APOSTROPHES else ""
    return re.compile(begins + re.escape(sign[0]) + ends)


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
