"""One call: its handler's task, what that may know and write, and its end."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NoReturn, Protocol

import grpc
import structlog
from google.protobuf.message import DecodeError
from h2.stream import H2Stream

from reno.server.http2.body import Body
from reno.server.http2.ended import Ended, Metadata
from reno.server.http2.frames import LEAST_MAX_FRAME_BYTES, PREFIX_BYTES, message_in_a_frame
from reno.server.http2.limits import LINGER_S
from reno.server.http2.messages import Compressed, TooLarge
from reno.server.http2.metadata import Headers, Value
from reno.server.http2.method import Method
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.request import Request
from reno.server.http2.trailers import OPENING
from reno.server.http2.windows import Windows
from reno.server.http2.writing import Writing

_log = structlog.get_logger("reno.server")


class Gone(Exception):
    """Nobody is there to write to."""


class Carrier(Protocol):
    """What a call needs of the connection that it came by."""

    @property
    def peer(self) -> str:
        """Who connected."""

    @property
    def outgoing(self) -> Outgoing:
        """Where frames go."""

    @property
    def windows(self) -> Windows:
        """What may be sent."""

    def starve(self, call: "Call") -> None:
        """The call is pumped when the connection has room again."""

    def send_headers(self, call: "Call", headers: Headers, *, ends: bool) -> None:
        """Opens the answer, or ends it."""

    def reset(self, call: "Call") -> None:
        """Breaks the stream off."""

    def taken(self, stream_id: int, size: int) -> None:
        """So many bytes of the request need no room any more."""

    def settled(self, call: "Call") -> None:
        """Nothing of it is left."""


class Call:
    """Handlers see of it what they use of grpcio's context, see reno.server.interceptor.CallContext."""

    __slots__ = (
        "_body",
        "_callbacks",
        "_carrier",
        "_cause",
        "_ending",
        "_ends_at_s",
        "_has_answered",
        "_is_cancelled",
        "_loop",
        "_metadata",
        "_method",
        "_task",
        "_timer",
        "_writing",
        "is_over",
        "is_starved",
        "stream",
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, stream: H2Stream, method: Method, request: Request, max_bytes: int
    ) -> None:
        self.stream = stream
        self.is_over = False
        """Nothing more can be sent."""
        self.is_starved = False
        self._has_answered = False
        self._carrier = carrier
        self._method = method
        self._metadata = request.metadata
        self._body = Body(max_bytes, is_stream=method.streams_requests, taken=self._taken)
        self._writing: Writing | None = None
        self._ending: Headers | None = None
        """Sent when the message that is being written is."""
        self._task: asyncio.Task[None] | None = None
        self._is_cancelled = False
        self._cause = Ended(grpc.StatusCode.CANCELLED, "the call was cancelled")
        self._callbacks: list[Callable[[Any], None]] = []
        self._loop = asyncio.get_running_loop()
        self._ends_at_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        if request.timeout_s is not None:
            self._ends_at_s = self._loop.time() + request.timeout_s
            self._timer = self._loop.call_at(self._ends_at_s, self._expire)
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
        return self._carrier.peer

    def cancelled(self) -> bool:
        """By the caller, by its deadline or by the server."""
        return self._is_cancelled

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Called once, when the call is over and its handler has ended."""
        self._callbacks.append(callback)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Now, and not with the first message. There is no metadata that a door would send."""
        assert not tuple(metadata)
        self._open()

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> NoReturn:
        """Ends the handler, and the call with this status."""
        raise Ended(code, details, trailing_metadata)

    async def write(self, answer: Any) -> None:
        """Returns when the connection took all of it."""
        if self.is_over or self._ending is not None:
            raise Gone("the call is over")
        message = self._method.serialize(answer)
        carrier, stream = self._carrier, self.stream
        self._open()
        size = len(message) + PREFIX_BYTES
        if (
            self._writing is None
            and carrier.outgoing.is_open
            and size <= LEAST_MAX_FRAME_BYTES
            and size <= carrier.windows.room(stream)
        ):
            carrier.windows.spend(stream, size)
            carrier.outgoing.add(message_in_a_frame(stream.stream_id, message))
        else:
            await self._write_in_parts(message)

    # For the connection.

    def receive(self, data: bytes) -> None:
        """Of the request's body."""
        if self.is_over or self._ending is not None:
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
        if self._method.streams_requests or self.is_over:
            return
        message = self._body.only()
        if message is None:
            self.refuse(Ended(grpc.StatusCode.UNIMPLEMENTED, "this method takes one message"))
        else:
            self._start(message)

    @property
    def has_answered(self) -> bool:
        """The answer's headers are sent."""
        return self._has_answered

    @property
    def has_whole_request(self) -> bool:
        """The caller's side of the stream has ended."""
        return self._body.is_whole

    def pump(self) -> None:
        """Sends of the message under way what there is room for now."""
        self.is_starved = False
        writing, carrier = self._writing, self._carrier
        if writing is None:
            return
        if writing.send(self.stream, carrier.windows, carrier.outgoing):
            self._written(writing)
        elif not (carrier.outgoing.is_open and carrier.windows.is_open):
            carrier.starve(self)

    def refuse(self, ended: Ended) -> None:
        """Ends it from outside: its handler is cancelled where there is one."""
        self._cause = ended
        if self._task is None:
            self._finish(ended)
        else:
            self._cancel()

    def lost(self) -> None:
        """The caller has gone, or does not want it any more."""
        self._be_over()
        self._cancel()

    # The handler.

    def _start(self, request: Any) -> None:
        self._task = self._loop.create_task(self._run(request))
        self._task.add_done_callback(self._handler_ended)

    async def _run(self, request: Any) -> None:
        try:
            await self._handle(request)
            self._finish(Ended(grpc.StatusCode.OK))
        except Ended as ended:
            self._finish(ended)
        except Gone:
            # Its task is cancelled too, or it writes after its own end.
            self._finish(self._cause)
        except DecodeError:
            self._finish(
                Ended(grpc.StatusCode.INTERNAL, "the bytes are not a message of this method")
            )

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
            self._finish(Ended(grpc.StatusCode.UNKNOWN, f"Unexpected {type(error)}: {error}"))
        # One that was cancelled has not said how it ends.
        self._finish(self._cause)
        self._settle()

    async def _write_in_parts(self, message: bytes) -> None:
        while self._writing is not None:
            await self._writing.done.wait()
        self._writing = writing = Writing(message)
        self.pump()
        try:
            await writing.done.wait()
        except asyncio.CancelledError:
            # What nobody has seen anything of need not be seen; else the reader needs the rest to understand the end.
            if self._writing is writing and not writing.is_begun:
                self._written(writing)
            raise

    def _written(self, writing: Writing) -> None:
        self._writing = None
        writing.done.set()
        if self._ending is not None:
            self._end(self._ending)

    # The end.

    def _open(self) -> None:
        if not self._has_answered:
            self._has_answered = True
            self._carrier.send_headers(self, OPENING, ends=False)

    def _finish(self, ended: Ended) -> None:
        if self.is_over or self._ending is not None:
            return
        self._ending = ended.trailers()
        if self._writing is None:
            self._end(self._ending)
        else:
            self._stop_timer()
            self._timer = self._loop.call_later(LINGER_S, self._expire)

    def _end(self, ending: Headers) -> None:
        headers = ending if self._has_answered else OPENING + ending
        self._carrier.send_headers(self, headers, ends=True)
        self._be_over()

    def _expire(self) -> None:
        if self._ending is None:
            self.refuse(Ended(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"))
        else:
            self._carrier.reset(self)
            self._be_over()

    def _cancel(self) -> None:
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()

    def _be_over(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self._writing is not None:
            self._writing.done.set()
            self._writing = None
        self._stop_timer()
        self._settle()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle(self) -> None:
        if not self.is_over or (self._task is not None and not self._task.done()):
            return
        self._body.release()
        self._carrier.settled(self)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def _taken(self, size: int) -> None:
        self._carrier.taken(self.stream.stream_id, size)
