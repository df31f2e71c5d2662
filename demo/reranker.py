"""BM25 behind a server that ranks passages as NVIDIA's NIM does at `/v1/ranking`.

`python -m demo.reranker` prints its URL and serves until Ctrl-C or SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from demo.served import Served, serve_until_ended

NAME = "bm25"


class Reranker(Served):
    """The ranker in a process of its own."""

    def __init__(self, log: Path) -> None:
        super().__init__("demo.reranker", log)


def rank(request: Mapping[str, Any]) -> dict[str, Any]:
    """The passages of a request by their BM25 scores, the best first."""
    import bm25s

    passages = [passage["text"] for passage in request["passages"]]
    words = bm25s.tokenize(passages, return_ids=False, show_progress=False)
    asked = bm25s.tokenize([request["query"]["text"]], return_ids=False, show_progress=False)[0]
    scores: Any = [0.0] * len(passages)
    if asked and any(words):
        index = bm25s.BM25()
        index.index(words, show_progress=False)
        scores = index.get_scores(asked)
    ranked = sorted(enumerate(scores), key=lambda found: -found[1])
    return {"rankings": [{"index": i, "logit": float(score)} for i, score in ranked]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        if self.path != "/v1/ranking":
            self._answer(404, {"error": f"there is nothing at {self.path}"})
            return
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(200, rank(json.loads(body)))
        except (KeyError, TypeError, ValueError) as e:
            self._answer(400, {"error": f"this is no request for a ranking: {e!r}"})

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of each request."""

    def _answer(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serves in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    httpd = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    Thread(target=httpd.serve_forever, daemon=True).start()
    serve_until_ended(f"http://127.0.0.1:{httpd.server_port}/v1")


if __name__ == "__main__":
    main()
