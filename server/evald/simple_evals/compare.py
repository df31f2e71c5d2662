"""Says of pairs of formulas whether they are equal, in a process of its own: `[expected, answer]`
on each line of its input, `true` or `false` on each of its output.

What a model writes may take all time and all memory to simplify; here that hurts nobody else.
"""

from __future__ import annotations

import json
import resource
import sys

SECONDS = 5
"""For each step."""

MEMORY = 2 * 2**30
"""Bytes of addresses."""


def main() -> None:
    """Serves until its input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from math_verify import LatexExtractionConfig, parse, verify

    # Formulas are parsed as LaTeX alone: Python's own syntax would be evaluated.
    config = [LatexExtractionConfig(boxed_match_priority=0)]
    for line in sys.stdin:
        try:
            expected, answer = (
                parse(f"${formula}$", config, parsing_timeout=SECONDS)
                for formula in json.loads(line)
            )
            equal = bool(verify(expected, answer, timeout_seconds=SECONDS))
        except (MemoryError, RecursionError):
            equal = False
        print(json.dumps(equal), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
