"""What happens around every call: who it is from, its bytes parsed with a clear error, errors turned into statuses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError

from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError
from reno.server.identity import Call, Identify, Metadata, enter_call, texts
from reno.server.status import status_of

_log = structlog.get_logger("reno.server")

# Health and reflection belong to whoever runs the servers, not to backends or devices.
_OPEN_SERVICES = ("/grpc.health.", "/grpc.reflection.")

Context = grpc.aio.ServicerContext[Any, Any]


class CallContext(Protocol):
    """What this needs of a call, whatever transport it came by. Services use besides: write, send_initial_metadata and add_done_callback."""

    def invocation_metadata(self) -> Metadata | None:
        """As the caller sent it."""

    def time_remaining(self) -> float | None:
        """Seconds until its deadline; None: it has none."""

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Any, /
    ) -> NoReturn:
        """Ends the call with this status."""


Serializer = Callable[[Any], bytes]


def _as_bytes(serializer: Serializer | None) -> Serializer:
    """A service may answer with bytes that it joined itself."""

    def serialize(message: Any) -> bytes:
        if isinstance(message, bytes):
            return message
        assert serializer is not None
        return serializer(message)

    return serialize


class DoorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of a server; `identify` raises Unauthenticated."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """See guarded."""
        handler: Any = await continuation(handler_call_details)
        if handler is not None:
            handler = guarded(str(handler_call_details.method), handler, self._identify)
        return handler  # type: ignore[no-any-return]


def guarded(method: str, handler: Any, identify: Identify) -> Any:
    """The handler with all of that around it. Leaves health and reflection as they are."""
    if method.startswith(_OPEN_SERVICES):
        return handler
    around = _Around(method, handler, identify)
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    behaviour = around.stream if handler.response_streaming else around.unary
    return make(
        behaviour,
        request_deserializer=None,
        response_serializer=_as_bytes(handler.response_serializer),
    )


class _Around:
    def __init__(self, method: str, handler: Any, identify: Identify) -> None:
        self._method = method
        self._handler = handler
        self._identify = identify

    async def unary(self, request: bytes, context: CallContext) -> Any:
        try:
            self._enter(context)
            return await self._handler.unary_unary(self._parse(request), context)
        except RenoError as error:
            await _abort(self._method, context, error)

    async def stream(self, request: Any, context: CallContext) -> AsyncIterator[Any]:
        try:
            self._enter(context)
            if self._handler.request_streaming:
                answers = self._handler.stream_stream(self._parsed(request), context)
            else:
                answers = self._handler.unary_stream(self._parse(request), context)
            async for answer in answers:
                yield answer
        except RenoError as error:
            await _abort(self._method, context, error)

    def _enter(self, context: CallContext) -> None:
        metadata = texts(context.invocation_metadata())
        left = context.time_remaining()
        caller = self._identify(metadata)
        enter_call(Call(caller, left, metadata.get("traceparent", "")))

    def _parse(self, request: bytes) -> Any:
        try:
            return self._handler.request_deserializer(request)
        except DecodeError as error:
            raise CallerFault(
                Reason.MALFORMED, "the bytes are not a message of this method"
            ) from error

    async def _parsed(self, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self._parse(request)


async def _abort(method: str, context: CallContext, error: RenoError) -> NoReturn:
    _log.debug("call refused", method=method, reason=error.reason.name, message=error.message)
    status = status_of(error)
    await context.abort(status.code, status.details, status.trailing_metadata)
