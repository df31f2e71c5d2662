"""Answers are compared by what they mean, and none of them holds up the others."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from evald.simple_evals.equality import LONGEST, Equality

EQUAL = [
    ("2", " $2$. "), ("1,000", "1000"), ("25", "025"), ("\\frac{1}{2}", "0.5"),
    ("2\\sqrt{3}", "\\sqrt{12}"), ("x^2+2x+1", "(x+1)^2"), ("\\text{Evelyn}", "Evelyn"),
    ("(3,\\frac{\\pi}{2})", "\\left( 3, \\pi/2 \\right)"), ("64", "64 \\text{ square feet}"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}"),
]  # fmt: skip
OTHERS = [
    ("2", "3"), ("2", ""), ("p - q", "q - p"), ("(3, 4)", "(4, 3)"), ("[1,2)", "[1,2]"),
    ("\\frac{1}{2}", "__import__('os').abort()"), ("x", "\\frac{"), ("5", "5" * (LONGEST + 1)),
]  # fmt: skip


async def compared(equality: Equality, pairs: Sequence[tuple[str, str]]) -> list[bool]:
    try:
        return [await equality(*pair) for pair in pairs]
    finally:
        await equality.close()


def test_equal_and_others() -> None:
    found = asyncio.run(compared(Equality(), EQUAL + OTHERS))
    assert found == [True] * len(EQUAL) + [False] * len(OTHERS)


def test_one_that_never_ends_is_not_equal() -> None:
    endless = ("9", "\\prod_{n=1}^{10^9} \\int_0^n x^x dx"), ("\\frac{1}{2}", "0.5")
    start = Equality(seconds=0.001)
    assert asyncio.run(compared(start, endless[:1])) == [False]
    assert asyncio.run(compared(Equality(), endless)) == [False, True]


def test_its_process_ends() -> None:
    async def run() -> int | None:
        equality = Equality()
        assert await equality("\\frac{1}{2}", "0.5")
        process = equality._process
        assert process
        assert process.returncode is None
        await equality.close()
        return process.returncode

    assert asyncio.run(run()) == -signal.SIGKILL
