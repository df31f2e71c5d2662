"""What to tell somebody who asked for a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 24
"""Names that are told; of more, only the number is."""


def unknown(name: str, known: Iterable[str], more: Iterable[str] = ()) -> str:
    """A sentence that says that `name` is not known, what is nearest, and what there is, apart from
    `more`, which are too many to be told."""
    names, others = list(known), list(more)
    near = difflib.get_close_matches(name, [*names, *others], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    if len(names) > MOST:
        return f"{name!r} is not known{hint} ({len(names) + len(others):,} are)"
    rest = [f"{len(others)} more"] if others else []
    return f"{name!r} is not known{hint} (known: {', '.join([*names, *rest]) or 'none'})"
