"""Whether two answers to a problem of mathematics are the same."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from fractions import Fraction
from importlib.util import find_spec

INSTALL = "math-verify is not installed: pip install 'evald[math]'"

SECONDS = 30.0
"""In which formulas must show to be equal; math-verify ends its own steps before."""

LONGEST = 1000
"""Characters of an answer that may be one."""

KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
"""Of the environment, which holds secrets too."""

SPACE = re.compile(r"\\[!,;: ]|\\left|\\right|[\s$]")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")


def missing() -> str | None:
    """What has to be installed before formulas can be compared."""
    return None if find_spec("math_verify") else INSTALL


class Equality:
    """Compares answers, by math-verify where they are no numbers and not written alike.

    Its process starts with the first formula and is replaced when one takes too long, which then
    is not equal. `close` ends it.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, expected: str, answer: str) -> bool:
        ours, theirs = plain(expected), plain(answer)
        if ours == theirs:
            return True
        if not theirs or len(theirs) > LONGEST:
            return False
        if NUMBER.fullmatch(ours) and NUMBER.fullmatch(theirs):
            return Fraction(ours) == Fraction(theirs)
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._compare(expected, answer)
            except (TimeoutError, OSError, ValueError):
                await self.close()
                return False
            except BaseException:
                await self.close()
                raise

    async def _compare(self, expected: str, answer: str) -> bool:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "evald.simple_evals.compare",
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
                env={key: os.environ[key] for key in KEPT if key in os.environ},
            )  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps([expected, answer]).encode() + b"\n")
        await process.stdin.drain()
        return bool(json.loads(await process.stdout.readline()))

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def plain(formula: str) -> str:
    """A formula without space, dollar signs, commas in large numbers, and a full stop."""
    return THOUSANDS.sub("", SPACE.sub("", formula)).rstrip(".")
