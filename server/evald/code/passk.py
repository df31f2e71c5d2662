"""How likely it is that one of k programs passes."""

from __future__ import annotations

from math import comb


def pass_at(k: int, programs: int, passed: int) -> float:
    """The unbiased estimate of pass@k when `passed` of `programs` did (Chen et al., "Evaluating
    Large Language Models Trained on Code", 2021): 1 - C(n-c, k) / C(n, k), exact up to rounding."""
    ways = comb(programs, k)
    return (ways - comb(programs - passed, k)) / ways
