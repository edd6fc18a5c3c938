"""One call: its request, its handler's task, what that may know of it, and how it ends."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.message import DecodeError
from h2.stream import H2Stream

from reno.server.http2.answer import Answer, Gone
from reno.server.http2.body import Body
from reno.server.http2.ended import Ended, Metadata
from reno.server.http2.line import Line
from reno.server.http2.messages import Compressed, TooLarge
from reno.server.http2.metadata import Value
from reno.server.http2.method import Method
from reno.server.http2.request import Request

_log = structlog.get_logger("reno.server")


class Call:
    """Handlers see of it what they use of grpcio's context, see reno.server.interceptor.CallContext. `settled` is told when nothing is left of it."""

    __slots__ = (
        "_body",
        "_callbacks",
        "_cause",
        "_deadline",
        "_ends_at_s",
        "_is_cancelled",
        "_line",
        "_loop",
        "_metadata",
        "_method",
        "_peer",
        "_settled",
        "_task",
        "answer",
        "stream_id",
    )

    def __init__(
        self,
        line: Line,
        stream: H2Stream,
        method: Method,
        request: Request,
        max_bytes: int,
        peer: str,
        settled: Callable[["Call"], None],
    ) -> None:
        self.stream_id = stream.stream_id
        self.answer = Answer(line, stream, self._answer_over)
        self._line = line
        self._method = method
        self._metadata = request.metadata
        self._peer = peer
        self._settled = settled
        self._body = Body(max_bytes, is_stream=method.streams_requests, taken=self._taken)
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._cause = Ended(grpc.StatusCode.CANCELLED, "the call was cancelled")
        self._callbacks: list[Callable[[Any], None]] = []
        self._loop = asyncio.get_running_loop()
        self._ends_at_s: float | None = None
        self._deadline: asyncio.TimerHandle | None = None
        if request.timeout_s is not None:
            self._ends_at_s = self._loop.time() + request.timeout_s
            self._deadline = self._loop.call_at(self._ends_at_s, self._expire)
        if method.streams_requests:
            self._start(self._body.each(method.parse))

    # For handlers.

    def invocation_metadata(self) -> tuple[tuple[str, Value], ...]:
        """As it came, without the protocol's own."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Seconds; None: no deadline."""
        return None if self._ends_at_s is None else max(0.0, self._ends_at_s - self._loop.time())

    def peer(self) -> str:
        """Who connected."""
        return self._peer

    def cancelled(self) -> bool:
        """By the caller, by its deadline or by the server."""
        return self._is_cancelled

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Called once, when the call is over and its handler has ended."""
        self._callbacks.append(callback)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Now, and not with the first message. There is no metadata that a door would send."""
        assert not tuple(metadata)
        self.answer.begin()

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        """Ends the handler, and the call with this status."""
        raise Ended(code, details, trailing_metadata)

    async def write(self, answer: Any) -> None:
        """Returns when the connection took all of it. Raises answer.Gone."""
        await self.answer.write(self._method.serialize(answer))

    # For the connection.

    def receive(self, data: bytes) -> None:
        """Of the request's body."""
        if self.answer.is_settled:
            self._taken(len(data))
            return
        try:
            self._body.add(data)
        except TooLarge as error:
            self.refuse(Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)))
        except Compressed:
            self.refuse(Ended(grpc.StatusCode.UNIMPLEMENTED, "compressed messages are not taken"))

    def received_all(self) -> None:
        """The request is whole."""
        self._body.end()
        if self._method.streams_requests or self.answer.is_settled:
            return
        message = self._body.only()
        if message is None:
            self.refuse(Ended(grpc.StatusCode.UNIMPLEMENTED, "this method takes one message"))
        else:
            self._start(message)

    def refuse(self, ended: Ended) -> None:
        """Ends it from outside: its handler is cancelled where there is one."""
        self._cause = ended
        if self._task is None:
            self.answer.end(ended.trailers())
        else:
            self._cancel()

    def lose(self) -> None:
        """The caller has gone, or does not want it any more."""
        self.answer.lose()
        self._cancel()

    # The handler.

    def _start(self, request: Any) -> None:
        self._task = self._loop.create_task(self._run(request))
        self._task.add_done_callback(self._handler_ended)

    async def _run(self, request: Any) -> None:
        try:
            await self._handle(request)
            ended = Ended(grpc.StatusCode.OK)
        except Ended as raised:
            ended = raised
        except Gone:
            # Its task is cancelled too, or it writes after its own end.
            ended = self._cause
        except DecodeError:
            ended = Ended(grpc.StatusCode.INTERNAL, "the bytes are not a message of this method")
        self.answer.end(ended.trailers())

    async def _handle(self, request: Any) -> None:
        method = self._method
        if not method.streams_requests:
            request = method.parse(request)
        answers = method.behaviour(request, self)
        if inspect.isasyncgen(answers):
            async with aclosing(answers):
                async for answer in answers:
                    await self.write(answer)
        elif method.streams_answers:
            await answers
        else:
            await self.write(await answers)

    def _handler_ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("a handler failed", method=self._method.path, exc_info=error)
            self._cause = Ended(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}")
        # One that failed or was cancelled has not said how it ends.
        self.answer.end(self._cause.trailers())
        self._settle()

    def _expire(self) -> None:
        self.refuse(Ended(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done() and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()

    def _answer_over(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._settle()

    def _settle(self) -> None:
        if not self.answer.is_over or (self._task is not None and not self._task.done()):
            return
        self._body.release()
        self._settled(self)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def _taken(self, size: int) -> None:
        self._line.taken(self.stream_id, size)
