"""Requests to create: what tells a repeated one from a new one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evald.errors import InvalidArgument

MAX_ID = 255


@dataclass(frozen=True, slots=True)
class Request:
    """A request to create something. `key` is the caller's request id within a namespace, None when
    there is none; `digest` a fingerprint of what is asked for."""

    key: str | None = None
    digest: str | None = None

    @classmethod
    def of(cls, namespace: str, request_id: str | None, document: Mapping[str, Any]) -> Request:
        """Raises InvalidArgument when the id is too long."""
        if not request_id:
            return cls()
        if len(request_id) > MAX_ID:
            raise InvalidArgument.of("request_id", f"use 1 to {MAX_ID} characters")
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return cls(f"{namespace}/{request_id}", hashlib.sha256(text.encode()).hexdigest())


UNKEYED = Request()
"""A request that is not told from a repeated one."""
