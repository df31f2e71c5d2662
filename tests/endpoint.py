"""An OpenAI-compatible endpoint on loopback that answers, or fails, as a test says.

    with Endpoint(reply="Paris", script=[Answer(503), Hang()]) as endpoint:
        ...  # the first request gets 503, the second no answer, later ones "Paris"

`python -m tests.endpoint --latency 0.05` runs one in a process of its own, prints its URL and
serves until it is ended or its standard input closes. Plain asyncio, since benchmarks must not
wait for it: a request costs about 20 microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import re
import socket
import ssl
import struct
import sys
import threading
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any

import orjson

Replier = Callable[[Mapping[str, Any]], "str | Mapping[str, Any]"]
"""From the body of a request to the text of the reply, or to the whole JSON reply."""


@dataclass(frozen=True)
class Request:
    """A request that the endpoint has seen."""

    path: str
    headers: Mapping[str, str]
    body: Any
    in_flight: int = 1
    """Requests that were under way with it, itself too."""


@dataclass(frozen=True)
class Answer:
    """Answers with a status, headers and a body instead of a reply, `after` so many seconds."""

    status: int = 200
    body: bytes = b'{"error":{"message":"told to fail"}}'
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0

    async def play(self, transport: asyncio.Transport) -> None:
        await asyncio.sleep(self.after)
        transport.write(http(self.status, self.body, self.headers))


@dataclass(frozen=True)
class Hang:
    """Never answers."""

    async def play(self, transport: asyncio.Transport) -> None:
        await asyncio.sleep(3600)


@dataclass(frozen=True)
class Drip:
    """Answers one byte at a time, `every` so many seconds: what of `data` comes `at_once`, then
    the others, then spaces."""

    every: float = 0.05
    data: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    at_once: int = 100

    async def play(self, transport: asyncio.Transport) -> None:
        transport.write(self.data[: self.at_once])
        rest = deque(self.data[self.at_once :])
        while not transport.is_closing():
            transport.write(bytes([rest.popleft()]) if rest else b" ")
            await asyncio.sleep(self.every)


@dataclass(frozen=True)
class Huge:
    """Answers with a body of `size` bytes; without `told`, nothing says how long it will be."""

    size: int = 10**9
    told: bool = False

    async def play(self, transport: asyncio.Transport) -> None:
        length = f"Content-Length: {self.size}\r\n" if self.told else "Connection: close\r\n"
        transport.write(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        block = b"x" * 2**16
        for _ in range(self.size // len(block)):
            if transport.is_closing():
                return
            transport.write(block)
            while transport.get_write_buffer_size() > 2**20 and not transport.is_closing():
                await asyncio.sleep(0.001)
        transport.close()


@dataclass(frozen=True)
class Raw:
    """Sends these bytes as they are and closes the connection, or breaks it."""

    data: bytes = b""
    abort: bool = False

    async def play(self, transport: asyncio.Transport) -> None:
        transport.write(self.data)
        if self.abort:
            await asyncio.sleep(0.01)  # else what was written is lost
            linger = struct.pack("ii", 1, 0)  # a reset instead of an end
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            transport.abort()
        transport.close()


Fault = Answer | Hang | Drip | Huge | Raw

CUT = Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{")
"""A chunk that ends too early."""

BUSY = Answer(429)


def echo(request: Mapping[str, Any]) -> str:
    """The prompt, or the last message's content."""
    if "messages" in request:
        return str(request["messages"][-1].get("content"))
    return str(request.get("prompt"))


def http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an HTTP response."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unknown"
    given = {"Content-Type": "application/json", **(headers or {})}
    lines = "".join(f"{k}: {v}\r\n" for k, v in given.items())
    head = f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode("latin-1") + body


def chat(text: str, model: object = "test") -> dict[str, Any]:
    """A chat completion as OpenAI's API writes it."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return _document("chat.completion", model, choices, text)


def completion(text: str, model: object = "test") -> dict[str, Any]:
    """A text completion as OpenAI's API writes it."""
    choices = [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}]
    return _document("text_completion", model, choices, text)


def _document(kind: str, model: object, choices: list[Any], text: str) -> dict[str, Any]:
    tokens = len(text.split())
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": 1 + tokens}
    made = {"id": "cmpl-1", "object": kind, "created": 0, "model": model}
    return {**made, "choices": choices, "usage": usage}


def bags_of_words(request: Mapping[str, Any], size: int = 64) -> dict[str, Any]:
    """Embeddings as OpenAI's API writes them: texts that share words are near each other."""
    data = []
    for index, text in enumerate(request["input"]):
        vector = [0.0] * size
        for word in re.findall(r"\w+", text.lower()) or [""]:
            vector[zlib.crc32(word.encode()) % size] += 1.0
        data.append({"object": "embedding", "index": index, "embedding": vector})
    return {"object": "list", "data": data, "model": request.get("model")}


class Endpoint:
    """Serves from a thread of its own while the block runs, or wherever `serve` is awaited.

    `reply` answers chats and completions; `more` has what answers requests at other ends of a path.

    `script` says what happens to the first requests, `always` to all that come after it; None in
    either is an ordinary reply, given after `latency` seconds. A request beyond `capacity` in
    flight comes to `refusal` instead. With a `tls` context it speaks TLS.
    """

    def __init__(
        self,
        *,
        reply: Replier | str = echo,
        more: Mapping[str, Replier] | None = None,
        latency: float = 0.0,
        script: Iterable[Fault | None] = (),
        always: Fault | None = None,
        port: int = 0,
        record: bool = True,
        capacity: float = math.inf,
        refusal: Fault = BUSY,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.reply: Replier = (lambda request: reply) if isinstance(reply, str) else reply
        self.more: Mapping[str, Replier] = {"/embeddings": bags_of_words, **(more or {})}
        self.latency = latency
        self.script = deque(script)
        self.always = always
        self.port = port
        self.record = record
        self.capacity = capacity
        self.refusal = refusal
        self.tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def root(self) -> str:
        """URL of the server, without a path."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"{self.root}/v1"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Endpoint]:
        """Serves on the running loop while the block runs."""
        loop = asyncio.get_running_loop()
        open_now: set[_Connection] = set()
        server = await loop.create_server(
            lambda: _Connection(self, open_now), "127.0.0.1", self.port, ssl=self.tls
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            for connection in list(open_now):
                connection.transport.abort()
            await server.wait_closed()

    def __enter__(self) -> Endpoint:
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise TimeoutError("the endpoint did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._ready.clear()  # it may be started again, on the same port

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self.serving():
            self._ready.set()
            await self._stop.wait()


class _Connection(asyncio.Protocol):
    """One client; requests of a connection come one after the other."""

    transport: asyncio.Transport

    def __init__(self, endpoint: Endpoint, open_now: set[_Connection]) -> None:
        self.endpoint = endpoint
        self.open_now = open_now
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open_now.add(self)
        self.endpoint.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_now.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer[:1] == b"\x16":  # someone speaks TLS
            self.transport.write(http(400, b""))
            self.transport.close()
            return
        for request in self._requests():
            self._take(request)

    def _requests(self) -> Iterator[Request]:
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            try:
                document = orjson.loads(body) if body else None
            except orjson.JSONDecodeError:
                document = body
            yield Request(first.split(" ")[1], headers, document)

    def _take(self, request: Request) -> None:
        endpoint = self.endpoint
        endpoint.in_flight += 1
        endpoint.most_in_flight = max(endpoint.most_in_flight, endpoint.in_flight)
        if endpoint.record:
            endpoint.requests.append(replace(request, in_flight=endpoint.in_flight))
        fault = endpoint.script.popleft() if endpoint.script else endpoint.always
        if endpoint.in_flight > endpoint.capacity:
            fault = endpoint.refusal
        loop = asyncio.get_running_loop()
        if fault is None:
            loop.call_later(endpoint.latency, self._reply, request)
            return
        task = loop.create_task(self._play(fault))
        endpoint.tasks.add(task)
        task.add_done_callback(endpoint.tasks.discard)

    async def _play(self, fault: Fault) -> None:
        try:
            await fault.play(self.transport)
        finally:
            self.endpoint.in_flight -= 1

    def _reply(self, request: Request) -> None:
        self.endpoint.in_flight -= 1
        if self.transport.is_closing():
            return
        kinds = {"/chat/completions": chat, "/completions": completion}
        path = request.path.partition("?")[0]
        wrap = next((make for end, make in kinds.items() if path.endswith(end)), None)
        more = next((make for end, make in self.endpoint.more.items() if path.endswith(end)), None)
        answer = more or (self.endpoint.reply if wrap else None)
        if answer is None or not isinstance(request.body, dict):
            body = json.dumps({"detail": f"there is nothing at {request.path}"}).encode()
            self.transport.write(http(404, body))
            return
        made = answer(request.body)
        document = wrap(made, request.body.get("model")) if wrap and isinstance(made, str) else made
        self.transport.write(http(200, orjson.dumps(document)))


async def _main(arguments: argparse.Namespace) -> None:
    endpoint = Endpoint(
        reply=echo if arguments.reply is None else arguments.reply,
        latency=arguments.latency,
        port=arguments.port,
        record=False,
    )
    async with endpoint.serving():
        print(endpoint.url, flush=True)  # noqa: T201
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serves in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--reply", help="text of every reply (default: the prompt)")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
