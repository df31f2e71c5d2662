"""A page of a list: what is asked for, and what is answered."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evald.errors import InvalidArgument

DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 1000

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Characters that no database holds."""

MAX_TEXTS = 64
MAX_LENGTH = 1000
"""What may be looked for in one field: so many texts of so many characters."""

MEMBERS = "_members"
"""The end of the name of a search that looks inside a field."""

PAGING = frozenset({"page", "page_size", "page_token"})
"""Members of a list request that say which page is asked for, not of what."""

Place = tuple[str | int, ...]
"""Where an entry stands in its list: the plain values that the list is in order of."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which entries of a list, in which order. `sort` is a field, with `-` before it descending.

    `after` is the place of the entry before the page, if it is known. `digest` tells one list from
    another.
    """

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    sort: str = "created_at"
    filter: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    after: Place | None = None
    digest: str = ""

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
        for part in ("filter", "search"):
            _check_size(request.get(part) or {}, part)
        list_only = {k: v for k, v in request.items() if k not in PAGING}
        text = json.dumps(list_only, sort_keys=True, separators=(",", ":"))
        query = cls(
            page,
            size,
            sort,
            request.get("filter") or {},
            request.get("search") or {},
            digest=hashlib.sha256(text.encode()).hexdigest()[:16],
        )
        token = request.get("page_token")
        if not token:
            return query
        if "page" in request:
            raise InvalidArgument.of("page_token", "give a page or a page_token, not both")
        return query._from(token)

    def token(self, last: Place) -> str:
        """The token of the page that follows the one whose last entry stands at `last`."""
        text = json.dumps([self.digest, self.page + 1, *last], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _from(self, token: str) -> ListQuery:
        try:
            digest, page, *after = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            good = type(page) is int and 1 < page < 2**31
            good = good and bool(after) and all(_is_storable(v) for v in after)
        except (ValueError, TypeError, RecursionError):
            good = False
        if not good:
            raise InvalidArgument.of("page_token", "this is not a next_page_token of a list")
        if digest != self.digest:
            raise InvalidArgument.of(
                "page_token", "it goes on with another list: keep filter, search and sort"
            )
        return replace(self, page=page, after=tuple(after))


def _check_size(asked: Any, path: str) -> None:
    """Raises InvalidArgument when there is more to look for than a database can be asked."""
    if isinstance(asked, Mapping):
        for key, value in asked.items():
            _check_size(value, f"{path}.{key.removesuffix(MEMBERS)}")
    elif isinstance(asked, str):
        if len(asked) > MAX_LENGTH:
            raise InvalidArgument.of(path, f"a text may have {MAX_LENGTH:,} characters at most")
    else:
        if len(asked) > MAX_TEXTS:
            raise InvalidArgument.of(path, f"there may be {MAX_TEXTS} texts at most")
        for text in asked:
            _check_size(text, path)


def _is_storable(value: Any) -> bool:
    """Whether a database can hold a value of a token, which anybody may have made."""
    if type(value) is int:
        return 0 <= value < 2**31
    return type(value) is str and not UNSTORABLE.search(value)


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a list, and how many there are in all. `last` is the place of the last entry
    when others follow it."""

    entries: Sequence[Mapping[str, Any]]
    total: int
    last: Place | None = None

    def each(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Page:
        """The page with other entries."""
        return replace(self, entries=[change(dict(entry)) for entry in self.entries])

    def pagination(self, page: int, page_size: int) -> dict[str, int]:
        return {
            "page": page,
            "page_size": page_size,
            "current_page_size": len(self.entries),
            "total_pages": -(-self.total // page_size),
            "total_results": self.total,
        }
