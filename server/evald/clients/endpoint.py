"""Where requests for a model go: the URL a user gave, with or without the path's end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yarl import URL

from evald.clients.egress import Egress
from evald.clients.redact import snippet
from evald.clients.secrets import url_secrets
from evald.errors import EvaluationError

CHAT = "/chat/completions"
COMPLETIONS = "/completions"
EMBEDDINGS = "/embeddings"
RANKING = "/ranking"
RERANK = "/rerank"
ENDS = (CHAT, COMPLETIONS, EMBEDDINGS, RANKING, RERANK)


class Endpoint:
    """An OpenAI-compatible endpoint. `http://host`, `http://host/v1`, `http://host/v1/` and
    `http://host/v1/chat/completions` are all ways to write it; the last takes chats only.

    `origin` is the part that says where it is, `secrets` are keys in its query, `end` is how its
    path ends, if it is one of ENDS. Raises EvaluationError of kind `request` when the URL is not
    one, or the policy refuses it.
    """

    def __init__(self, url: str, egress: Egress) -> None:
        given = egress.url(url)
        self.origin = str(given.origin())
        self.secrets = url_secrets(str(given))
        path = given.raw_path.rstrip("/")
        self.end = next((end for end in ENDS if path.endswith(end)), None)
        self._given = given
        self._base = path.removesuffix(self.end or "") if path else "/v1"

    def of(self, request: Mapping[str, Any]) -> URL:
        """Where a request goes. Raises EvaluationError of kind `request` when it has no place."""
        if "messages" in request:
            return self.at(CHAT, "a request with `messages`")
        if "prompt" in request:
            return self.at(COMPLETIONS, "a request with `prompt`")
        raise EvaluationError("request", "a request needs `messages` (a chat) or `prompt`")

    def at(self, end: str, what: str) -> URL:
        """Where goes `what` is asked at an end. Raises EvaluationError of kind `request` when the
        URL that was given has another."""
        # Deployments have their API version in the query.
        url = self._given.with_path(self._base + end, encoded=True, keep_query=True)
        if self.end in (None, end):
            return url
        given = shown(url).removesuffix(end) + (self.end or "")
        raise EvaluationError(
            "request",
            f"{what} cannot go to {given}: set api_endpoint.url to {shown(url)}, or leave the "
            "path's end away to use both",
        )


def shown(url: URL) -> str:
    """A URL as messages show it: without its query, which may hold a key."""
    return str(url.with_query(None))


def place_of(location: str, base: URL) -> str:
    """Where a redirect leads, as messages show it; nothing if that cannot be read."""
    try:
        return snippet(shown(base.join(URL(location))).encode()) if location else ""
    except ValueError:
        return ""
