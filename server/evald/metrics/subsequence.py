"""The longest common subsequence, which ROUGE-L is made of."""

from __future__ import annotations

from collections.abc import Sequence


def common_length(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, a whole row of the table at a time.

    Source: Hyyrö 2004, "Bit-Parallel LCS-length Computation Revisited".
    """
    places: dict[str, int] = {}
    for place, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << place
    full = row = (1 << len(left)) - 1
    for word in right:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(left) - row.bit_count()
