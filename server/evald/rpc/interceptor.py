"""What happens around every call: who calls, its request id, its deadline, its errors, one log
line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from evald import deadline
from evald.domain import access
from evald.errors import EvaldError, InvalidArgument, ResourceExhausted
from evald.rpc.access import OPEN, Gate
from evald.rpc.errors import to_status
from evald.rpc.plain import check_texts
from evald.rpc.size import Sizes

log = structlog.get_logger()

REQUEST_ID = "x-request-id"

REFLECTION = "/grpc.reflection."


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps unary calls, which run on the server's threads, and streams, which run on its loop, as
    do unary calls that are coroutines and say themselves how long they may take.

    Lets in whom `gate` admits, before a byte of the request is read, and works on their behalf.
    `max_streams` streams may be open at once; further ones are told to come back, so that unary
    calls never wait for a stream to end. A unary call without a deadline gets `timeout` seconds.
    """

    def __init__(self, gate: Gate, sizes: Sizes, *, max_streams: int, timeout: float) -> None:
        self._gate = gate
        self._sizes = sizes
        self._max_streams = max_streams
        self._timeout = timeout
        self._streams = 0

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        call: Any,
    ) -> Any:
        handler = await continuation(call)
        if handler is None:
            return handler
        if call.method.startswith(OPEN):
            return opened(handler)
        if call.method.startswith(REFLECTION):
            return handler._replace(
                request_deserializer=None,
                stream_stream=self._guarded(call.method, all_decoding(handler)),
            )
        if handler.unary_unary is not None:
            wrap = self._awaited if iscoroutinefunction(handler.unary_unary) else self._unary
            answer = encoding(handler, self._sizes)
            return grpc.unary_unary_rpc_method_handler(
                wrap(call.method, decoding(handler, answer, self._sizes))
            )
        if handler.unary_stream is not None:
            answer = decoding(handler, handler.unary_stream, self._sizes)
            return grpc.unary_stream_rpc_method_handler(
                self._stream(call.method, answer),
                None,
                handler.response_serializer,
            )
        raise NotImplementedError(f"{call.method} streams requests")

    def _unary(self, method: str, answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def wrapped(request: Any, context: Any) -> Any:
            with Call(method, context) as call:
                given = context.time_remaining()
                try:
                    with (
                        deadline.within(self._timeout if given is None else given),
                        access.acting(call.admitted(self._gate)),
                    ):
                        return answer(request, context)
                except Exception as e:
                    call.fail(e)

        return wrapped

    def _awaited(
        self, method: str, answer: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        async def wrapped(request: Any, context: Any) -> Any:
            with Call(method, context) as call:
                try:
                    access.bind(await asyncio.to_thread(call.admitted, self._gate))
                    return await answer(request, context)
                except Exception as e:
                    status = call.told(e)
                context.set_trailing_metadata(call.trailing(status))
                return await context.abort(status.code, status.details)

        return wrapped

    def _stream(
        self, method: str, answer: Callable[[Any, Any], AsyncIterator[Any]]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def wrapped(request: Any, context: Any) -> AsyncIterator[Any]:
            with Call(method, context) as call:
                status = None
                if self._streams >= self._max_streams:
                    status = call.told(
                        ResourceExhausted(f"{self._max_streams} streams are open; try again later")
                    )
                else:
                    self._streams += 1
                    try:
                        # Not for a block, as its end may come in another task.
                        access.bind(await asyncio.to_thread(call.admitted, self._gate))
                        async for message in answer(request, context):
                            yield message
                    except Exception as e:
                        status = call.told(e)
                    finally:
                        self._streams -= 1
                if status is not None:
                    context.set_trailing_metadata(call.trailing(status))
                    await context.abort(status.code, status.details)

        return wrapped

    def _guarded(
        self, method: str, answer: Callable[[Any, Any], AsyncIterator[Any]]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        async def wrapped(requests: Any, context: Any) -> AsyncIterator[Any]:
            call = Call(method, context)
            try:
                await asyncio.to_thread(call.admitted, self._gate)
                async for message in answer(requests, context):
                    yield message
            except Exception as e:
                status = call.told(e)
                await context.abort(status.code, status.details, call.trailing(status))

        return wrapped


def decoding(
    handler: Any, answer: Callable[[Any, Any], Any], sizes: Sizes | None = None
) -> Callable[[Any, Any], Any]:
    """A method that is given the bytes of its request: what gRPC says of bytes that are no message,
    or too many, is not what the error table says."""

    def decoded(data: bytes, context: Any) -> Any:
        if sizes is not None:
            sizes.check_request(len(data))
        try:
            request = handler.request_deserializer(data)
        except DecodeError:
            raise InvalidArgument("the request is not a message of this method") from None
        check_texts(request)
        return answer(request, context)

    return decoded


def encoding(handler: Any, sizes: Sizes) -> Callable[[Any, Any], Any]:
    """A unary method that answers bytes, no more of them than can be sent."""

    def sendable(request: Any, answer: Any) -> bytes:
        data: bytes = handler.response_serializer(answer)
        sizes.check_answer(request, len(data))
        return data

    def encoded(request: Any, context: Any) -> bytes:
        return sendable(request, handler.unary_unary(request, context))

    async def awaited(request: Any, context: Any) -> bytes:
        return sendable(request, await handler.unary_unary(request, context))

    return awaited if iscoroutinefunction(handler.unary_unary) else encoded


def all_decoding(handler: Any) -> Callable[[Any, Any], AsyncIterator[Any]]:
    """The same of a method that is given the bytes of many requests."""

    def decoded(requests: Any, context: Any) -> AsyncIterator[Any]:
        given = decoding(handler, lambda request, context: request)

        async def each() -> AsyncIterator[Any]:
            async for data in requests:
                yield given(data, context)

        answers: AsyncIterator[Any] = handler.stream_stream(each(), context)
        return answers

    return decoded


def opened(handler: Any) -> Any:
    """A method that anybody may ask, and of which nothing is logged. Bytes that are no request get
    the error that they get elsewhere."""

    async def refuse(error: InvalidArgument, context: Any) -> None:
        status = rpc_status.to_status(to_status(error))
        await context.abort(status.code, status.details, status.trailing_metadata)

    async def unary(data: bytes, context: Any) -> Any:
        try:
            return await decoding(handler, handler.unary_unary)(data, context)
        except InvalidArgument as e:
            await refuse(e, context)

    async def stream(data: bytes, context: Any) -> None:
        try:
            # The health service writes to the context instead of yielding.
            await decoding(handler, handler.unary_stream)(data, context)
        except InvalidArgument as e:
            await refuse(e, context)

    if handler.unary_unary is not None:
        return handler._replace(request_deserializer=None, unary_unary=unary)
    return handler._replace(request_deserializer=None, unary_stream=stream)


class Call:
    """One call: binds its request id to the log, and writes its line at the end."""

    def __init__(self, method: str, context: Any) -> None:
        self._method = method
        self._context = context
        self._code = "OK"
        self._caller = ""
        sent = {k: v for k, v in self._metadata() if k == REQUEST_ID}
        self.request_id = str(sent.get(REQUEST_ID) or uuid4())[:128]

    def __enter__(self) -> Call:
        self._started = time.monotonic()
        structlog.contextvars.bind_contextvars(request_id=self.request_id)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is asyncio.CancelledError:
            self._code = grpc.StatusCode.CANCELLED.name
        elapsed = (time.monotonic() - self._started) * 1000
        log.info(
            "call",
            method=self._method,
            code=self._code,
            ms=round(elapsed, 1),
            **({"caller": self._caller} if self._caller else {}),
        )
        structlog.contextvars.unbind_contextvars("request_id")

    def admitted(self, gate: Gate) -> access.Caller:
        """Who calls. Raises Unauthenticated or PermissionDenied."""
        caller = gate.admit(self._method, self._metadata())
        self._caller = "" if caller is access.ANYONE else caller.name
        return caller

    def told(self, error: Exception) -> Any:
        """The gRPC status of an error; an unexpected one is logged whole."""
        if not isinstance(error, EvaldError | NotImplementedError):
            log.error("unexpected error", method=self._method, exc_info=error)
        status = rpc_status.to_status(to_status(error))
        self._code = status.code.name
        return status

    def trailing(self, status: Any) -> tuple[Any, ...]:
        return (*status.trailing_metadata, (REQUEST_ID, self.request_id))

    def fail(self, error: Exception) -> None:
        """Ends a unary call with an error. Raises."""
        status = self.told(error)
        self._context.set_trailing_metadata(self.trailing(status))
        self._context.abort(status.code, status.details)

    def _metadata(self) -> Any:
        return self._context.invocation_metadata() or ()
