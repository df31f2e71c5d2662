"""Replies are read as bfcl-eval reads them, and nothing of them is run."""

from __future__ import annotations

import json
import random
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from evald.bfcl.call import Undecodable
from evald.bfcl.calls import calls_of_message, calls_of_text
from evald.bfcl.categories import GROUPS
from evald.bfcl.dataset import packaged
from tests.bfcl import upstream
from tests.bfcl.mutations import expected, mutated

RECORDED = json.loads(Path(__file__).with_name("parsed_calls.json").read_text())

ODD = [
    "f(a=-3, b=2*3, c=2**3, d=g(1), e=g(x=1), h=a[1], i=(1, 2), j={'a': 1}, k=..., l=None, m=True)",
    "f(a=lambda: 1)", "f()", "f", "f(a=x.y)", "f(1)", "f(**a)", "a.b.c(x=1)", "f()()",
    "(f(), g())", "{f()}", "```[f(a=1)]```", "```python\nf(a=1)\n```", "'f(a=1)'", "", "[]", "[{}]",
    "I cannot do that.", "f(a=not True)", "f(a=+5)", "f(a=[1]*3)", "f(a='a'+'b')", "f(a=1/0)",
    "f(a=b'x')", "f(a=1j)", "f(a=1+2j)", "f(a='\\d')", "f(a=1, a=2)", "f(a={[1]: 2})",
    "f(a={**b})", "f(a=f'x')", "f(a=a[1:2])", "f(a=a[1, 2])", "f(a=-x)", "f(a=5%3)", "f(a=7//2)",
    "f(a=2-3*4)", "f(a=-(2))", "f(a=-2**2)", "f(a=(1,)*2)", "f(a=1<2)", "f(a=x+1)", "[f(a=1), 2]",
]  # fmt: skip


def theirs(text: str) -> str:
    """The calls of a text; nothing where it is none."""
    decode = upstream.module("model_handler.utils").default_decode_ast_prompting
    try:
        with warnings.catch_warnings(action="ignore"):
            return repr(decode(text))
    except Exception:
        return ""


def ours(text: str) -> str:
    try:
        return repr(calls_of_text(text, "python"))
    except Undecodable:
        return ""


def written(calls: Sequence[Mapping[str, Any]]) -> str:
    found = [
        f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
        for call in calls
        for name, arguments in call.items()
    ]
    return f"[{', '.join(found)}]"


@pytest.mark.parametrize("text", ODD)
def test_odd_texts(text: str) -> None:
    assert ours(text) == theirs(text)


def test_texts_of_every_category() -> None:
    rng = random.Random(3)
    read: Counter[bool] = Counter()
    answered = [c for c in GROUPS["python"] if "relevance" not in c.form]
    for row in packaged(answered, None):
        text = written(mutated(expected(row, False, rng), rng))
        if rng.random() < 0.6:
            index = rng.randrange(len(text))
            text = text[:index] + rng.choice("[](){},=.'\"-1a \n`:") + text[index + 1 :]
        assert ours(text) == theirs(text), text
        read[bool(ours(text))] += 1
    assert min(read.values()) > 300


@pytest.mark.parametrize("language", ["java", "javascript"])
def test_calls_in_other_languages(language: Any) -> None:
    assert RECORDED["versions"]["bfcl-eval"] == "2026.3.23"
    cases = [case for case in RECORDED["cases"] if case["language"] == language]
    found: Counter[bool] = Counter()
    for case in cases:
        try:
            calls = json.loads(json.dumps(calls_of_text(case["text"], language)))
        except Undecodable:
            calls = None
        assert calls == case["calls"], case["text"]
        found[calls is None] += 1
    assert min(found.values()) > 30


@pytest.mark.parametrize(
    "text",
    [
        "f(a=10**10**9)", "f(a='x'*10**9)", "f(a=[[1]*999]*999)", "f(a=__import__('os').abort()+1)",
        "f(a=" + "(" * 2000 + ")" * 2000 + ")", "f(a=" + "-" * 90000 + "1)", "f(" + "a" * 200_000,
        "f(a='\0')", "f(a=" + "[" * 150 + "]" * 150 + "+1)", "f(a='%999999999d' % 1)",
        "f(a=" + "9" * 5000 + ")",
    ],
)  # fmt: skip
def test_texts_that_mean_harm(text: str) -> None:
    with pytest.raises(Undecodable):
        calls_of_text(text, "python")


@pytest.mark.parametrize("language", ["java", "javascript"])
@pytest.mark.parametrize("part", ["(", "-", "new A("])
def test_deep_texts_in_other_languages(language: Any, part: str) -> None:
    """They are read, or refused; the parser does not break down."""
    with suppress(Undecodable):
        assert calls_of_text(f"f(x={part * (90_000 // len(part))}", language) == []
    ends = part[-1].translate(str.maketrans("(", ")", "-")) * (40_000 // len(part))
    with suppress(Undecodable):
        [call] = calls_of_text(f"f(x={part * (40_000 // len(part))}1{ends})", language)
        assert call["f"]["x"].startswith(part)


def test_messages() -> None:
    def said(*arguments: Any) -> dict[str, Any]:
        return {"tool_calls": [{"function": {"name": "f", "arguments": a}} for a in arguments]}

    assert calls_of_message({"content": "No."}) == calls_of_message({"tool_calls": None}) == []
    assert calls_of_message(said('{"a": 1}', {"b": 2})) == [{"f": {"a": 1}}, {"f": {"b": 2}}]
    for wrong in (said("{"), said("[1]"), said(""), {"tool_calls": [{"name": "f"}]}):
        with pytest.raises(Undecodable):
            calls_of_message(wrong)
