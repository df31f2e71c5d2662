"""JSON that others wrote."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

LARGE = re.compile(rb"\d{20}")
"""What a whole number of more than 64 bits has."""


def loads(text: bytes | str) -> Any:
    """A JSON value, with whole numbers of any size. Raises orjson.JSONDecodeError, which is a
    ValueError."""
    found = orjson.loads(text)
    if LARGE.search(text if isinstance(text, bytes) else text.encode(errors="replace")):
        return json.loads(text)  # orjson makes them floats
    return found
