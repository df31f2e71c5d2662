"""The endpoint of a model that runs here, on a port that only this process knows the key of."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

from aiohttp import web

from evald.errors import EvaluationError
from evald.local import openai
from evald.local.checkpoint import Checkpoint
from evald.local.encoder import Encoder
from evald.local.engine import Engine

BODY_LIMIT = 64 * 2**20

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Server:
    """Serves one end of an API from a thread of its own, until `close`.

    `ends` are paths and what answers there, which may raise EvaluationError and openai.Refused.
    """

    name: str | None = None

    def __init__(self, ends: dict[str, Answer]) -> None:
        self.key = secrets.token_urlsafe(32)
        self._ends = ends
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._ready: Future[web.AppRunner] = Future()
        self._thread = Thread(target=self._run, name="endpoint", daemon=True)
        self._thread.start()
        self._runner = self._ready.result()

    def close(self) -> None:
        """Answers nobody any more."""
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._ready.set_result(self._loop.run_until_complete(self._start()))
        except BaseException as e:
            self._ready.set_exception(e)
            return
        self._loop.run_forever()

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=BODY_LIMIT)
        for path, answer in self._ends.items():
            app.router.add_post(f"/v1{path}", self._handler(answer))
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0,
            handle_signals=False,
        )
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        return runner

    def _handler(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            shown = request.headers.get("Authorization", "")
            if not hmac.compare_digest(shown.encode(), f"Bearer {self.key}".encode()):
                return _refusal(401, "this endpoint is for the job alone")
            try:
                asked = await request.json()
                if not isinstance(asked, dict):
                    return _refusal(400, "the request is not a JSON object")
                return web.json_response(await answer(asked))
            except (ValueError, EvaluationError) as e:
                # Asked again, it would come to the same: nothing that a client tries again.
                return _refusal(400, str(e))

        return handle


def writing(checkpoint: Checkpoint, engine: Engine) -> dict[str, Answer]:
    """The ends of a model that writes."""

    def end(asks: Any, answer: Any) -> Answer:
        async def write(request: dict[str, Any]) -> dict[str, Any]:
            asked = await asyncio.to_thread(asks, request, checkpoint)
            rows = [engine.submit(ask) for ask in asked]
            try:
                done = await asyncio.gather(*(asyncio.wrap_future(row.answer) for row in rows))
            finally:
                for row in rows:
                    row.answer.cancel()
            return dict(await asyncio.to_thread(answer, request, done, checkpoint))

        return write

    return {
        "/chat/completions": end(openai.chat_asks, openai.chat_answer),
        "/completions": end(openai.completion_asks, openai.completion_answer),
    }


def embedding(encoder: Encoder) -> dict[str, Answer]:
    """The end of a model that turns texts into vectors."""

    async def embed(request: dict[str, Any]) -> dict[str, Any]:
        given = request.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise openai.Refused("`input` must be a text or a list of texts")
        vectors = await asyncio.to_thread(encoder.embed, texts, request.get("input_type"))
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        return {"object": "list", "model": request.get("model"), "data": data}

    return {"/embeddings": embed}


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "code": status}}, status=status)
