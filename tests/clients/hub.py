"""A small Hugging Face API: what huggingface_hub asks of one to list, fetch and store files."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """`repos` maps a data set's name to its files, `models` a model's; `redirect`, if set, is where
    files lie."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.models: dict[str, dict[str, bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.redirect: str | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/hf"


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub on loopback."""
    hub = FakeHub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_DELETE = do_GET

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path).removeprefix("/v1/hf")
        body = self._body()
        self.hub.requests.append((self.command, path, dict(self.headers)))
        if path == "/api/repos/create":
            given = json.loads(body)
            name = f"{given['organization']}/{given['name']}"
            self.hub.repos.setdefault(name, {})
            return self._json({"url": f"{self.hub.url}/datasets/{name}"})
        if path == "/api/repos/delete":
            given = json.loads(body)
            self.hub.repos.pop(f"{given['organization']}/{given['name']}", None)
            return self._json({})
        place = r"(?:/api)?/(?:datasets/)?([^/]+/[^/]+)/(\w+)/([^/]+)(?:/(.*))?"
        found = re.fullmatch(place, path.replace("/api/models/", "/api/"))
        repos = self.hub.repos if "/datasets/" in path else self.hub.models
        if not found or found[1] not in repos:
            return self._json({"error": "gone"}, 404, {"X-Error-Code": "RepoNotFound"})
        files = repos[found[1]]
        match found[2]:
            case "tree":
                return self._json([_entry(name, data) for name, data in files.items()])
            case "resolve":
                return self._file(files, found[4])
            case "preupload":
                asked = json.loads(body)["files"]
                ways = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in asked
                ]
                return self._json({"files": ways})
            case "commit":
                for line in body.splitlines():
                    change = json.loads(line)
                    if change["key"] == "file":
                        value = change["value"]
                        files[value["path"]] = base64.b64decode(value["content"])
                url = f"{self.hub.url}/datasets/{found[1]}/commit/{COMMIT}"
                return self._json({"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})
            case "revision":
                return self._json({"id": found[1], "sha": COMMIT, "siblings": []})
        return self._json({"error": "unknown"}, 404)

    def _file(self, files: dict[str, bytes], name: str) -> None:
        if name not in files:
            return self._json({"error": "gone"}, 404, {"X-Error-Code": "EntryNotFound"})
        data = files[name]
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Linked-Size": str(len(data)),
        }
        if self.hub.redirect:
            return self._send(302, b"", {**headers, "Location": self.hub.redirect})
        return self._send(200, data, headers)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), headers or {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
