"""Answers as vLLM's server does, without a model: each answer tells the server's arguments and
environment. It starts a worker, as vLLM does, whose process id is in the answers too.

A model of whose config the `model_type` is `broken` ends it at the start; `stubborn` keeps it from
heeding SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPTIONS = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
KIND = json.loads((Path(OPTIONS["--model"]) / "config.json").read_text())["model_type"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self.answer(200 if self.path == "/health" else 404, {})
        elif self.is_known():
            self.answer(200, {"object": "list", "data": [{"id": OPTIONS["--served-model-name"]}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.is_known():
            return
        if asked["model"] != OPTIONS["--served-model-name"]:
            self.answer(404, {"error": f"there is no {asked['model']}"})
            return
        told = {
            "options": OPTIONS,
            "environment": dict(os.environ),
            "pids": [os.getppid(), os.getpid(), WORKER.pid],
        }
        message = {"role": "assistant", "content": json.dumps(told)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        self.answer(200, {"object": "chat.completion", "choices": choices})

    def is_known(self) -> bool:
        """Whether who asks has the key, and is told so if not."""
        if self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}":
            return True
        self.answer(401, {"error": "Unauthorized"})
        return False

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if KIND == "broken":
    sys.exit("ValueError: No supported kernel for this model")
WORKER = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if KIND == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
ThreadingHTTPServer(("127.0.0.1", int(OPTIONS["--port"])), Handler).serve_forever()
