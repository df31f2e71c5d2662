"""What to tell somebody who asked for a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(name: str, known: Iterable[str]) -> str:
    """A sentence that says that `name` is not known, what is nearest, and what there is."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{name!r} is not known{hint} (known: {', '.join(names) or 'none'})"
