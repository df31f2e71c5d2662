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


class Endpoint:
    """An OpenAI-compatible endpoint. `http://host`, `http://host/v1`, `http://host/v1/` and
    `http://host/v1/chat/completions` are all ways to write it; the last takes chats only.

    `origin` is the part that says where it is, `secrets` are keys in its query. Raises
    EvaluationError of kind `request` when the URL is not one, or the policy refuses it.
    """

    def __init__(self, url: str, egress: Egress) -> None:
        given = egress.url(url)
        self.origin = str(given.origin())
        self.secrets = url_secrets(str(given))
        path = given.raw_path.rstrip("/")
        self.chat: URL | None = None
        self.completions: URL | None = None
        if path.endswith(CHAT):
            self.chat = _with_path(given, path)
        elif path.endswith(COMPLETIONS):
            self.completions = _with_path(given, path)
        else:
            self.chat = _with_path(given, (path or "/v1") + CHAT)
            self.completions = _with_path(given, (path or "/v1") + COMPLETIONS)

    def of(self, request: Mapping[str, Any]) -> URL:
        """Where a request goes. Raises EvaluationError of kind `request` when it has no place."""
        if "messages" in request:
            if self.chat is None:
                raise self._mismatch("`messages`", COMPLETIONS, CHAT)
            return self.chat
        if "prompt" in request:
            if self.completions is None:
                raise self._mismatch("`prompt`", CHAT, COMPLETIONS)
            return self.completions
        raise EvaluationError("request", "a request needs `messages` (a chat) or `prompt`")

    def _mismatch(self, member: str, given: str, wanted: str) -> EvaluationError:
        url = self.chat or self.completions
        assert url is not None
        other = shown(url).removesuffix(given) + wanted
        return EvaluationError(
            "request",
            f"a request with {member} cannot go to {shown(url)}: set api_endpoint.url to {other}, "
            f"or leave the path's end away to use both",
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


def _with_path(url: URL, path: str) -> URL:
    # Deployments have their API version in the query.
    return url.with_path(path, encoded=True, keep_query=True)
