"""A page of a list: what is asked for, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evald.errors import InvalidArgument, Unimplemented

DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which entries of a list, in which order. `sort` is a field, with `-` before it descending."""

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    sort: str = "created_at"
    filter: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, request: Mapping[str, Any], sorts: Sequence[str]) -> ListQuery:
        """Reads a list request in plain form. Raises InvalidArgument naming the parameter."""
        page = request.get("page", 1)
        size = request.get("page_size", DEFAULT_PAGE_SIZE)
        sort = request.get("sort", "created_at")
        if page < 1:
            raise InvalidArgument.of("page", f"{page} is not a page; pages count from 1")
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise InvalidArgument.of("page_size", f"{size} is not within 1 and {MAX_PAGE_SIZE}")
        if sort.removeprefix("-") not in sorts:
            known = ", ".join(f"{s}, -{s}" for s in sorts)
            raise InvalidArgument.of("sort", f"{sort!r} is not one of {known}")
        if request.get("search"):
            raise Unimplemented("search is not there yet; use filter")
        return cls(page, size, sort, request.get("filter") or {})


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a list, and how many there are in all."""

    entries: Sequence[Mapping[str, Any]]
    total: int

    def pagination(self, page: int, page_size: int) -> dict[str, int]:
        return {
            "page": page,
            "page_size": page_size,
            "current_page_size": len(self.entries),
            "total_pages": -(-self.total // page_size),
            "total_results": self.total,
        }
