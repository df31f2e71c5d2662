"""Answers that several services give: pages and deletions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message

from evald.domain.listing import ListQuery, Page
from evald.rpc.plain import to_message
from evaluation.v1 import page_pb2

M = TypeVar("M", bound=Message)


def listing(asked: Mapping[str, Any], query: ListQuery, page: Page, kind: type[M]) -> M:
    """A page of a list with what was asked for beside it."""
    document = {
        "object": "list",
        "data": page.entries,
        "pagination": page.pagination(query.page, query.page_size),
        "sort": query.sort,
        **{k: asked[k] for k in ("filter", "search") if k in asked},
        "next_page_token": page.last and query.token(page.last),
    }
    return to_message(document, kind)


def deleted(entity_id: str) -> page_pb2.DeleteResponse:
    """The documented answer to a deletion."""
    return page_pb2.DeleteResponse(message="Resource deleted successfully.", id=entity_id)
