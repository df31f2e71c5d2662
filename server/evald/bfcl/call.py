"""A call of a function, as a model's reply has it."""

from __future__ import annotations

from typing import Any

Call = dict[str, dict[str, Any]]
"""A function's name, alone, and its arguments by name."""


class Undecodable(ValueError):
    """The reply is no list of calls."""
