"""What goes out on one stream: headers, messages, and the end behind them."""

import asyncio
from collections.abc import Callable

from h2.errors import ErrorCodes
from h2.stream import H2Stream

from reno.server.http2.frames import LEAST_MAX_FRAME_BYTES, PREFIX_BYTES, message_in_a_frame
from reno.server.http2.limits import LINGER_S
from reno.server.http2.line import Line
from reno.server.http2.metadata import Headers
from reno.server.http2.trailers import OPENING
from reno.server.http2.writing import Writing


class Gone(Exception):
    """Nobody is there to write to."""


class Answer:
    """Of one call. `over` is called once: nothing more can be sent."""

    __slots__ = (
        "_ending",
        "_line",
        "_lingering",
        "_over",
        "_stream",
        "_writing",
        "has_begun",
        "is_over",
        "is_starved",
    )

    def __init__(self, line: Line, stream: H2Stream, over: Callable[[], None]) -> None:
        self.has_begun = False
        """Headers are sent."""
        self.is_over = False
        self.is_starved = False
        self._line = line
        self._stream = stream
        self._over = over
        self._writing: Writing | None = None
        self._ending: Headers | None = None
        """Sent when the message that is being written is."""
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def is_settled(self) -> bool:
        """How it ends is known, or that nobody wants it."""
        return self.is_over or self._ending is not None

    def begin(self) -> None:
        """Sends the headers, once."""
        if not self.has_begun:
            self.has_begun = True
            self._line.send_headers(self._stream.stream_id, OPENING, ends=False)

    async def write(self, message: bytes) -> None:
        """Returns when the connection took all of it. Raises Gone."""
        if self.is_settled:
            raise Gone
        self.begin()
        line, stream, size = self._line, self._stream, len(message) + PREFIX_BYTES
        if (
            self._writing is None
            and line.outgoing.is_open
            and size <= LEAST_MAX_FRAME_BYTES
            and size <= line.windows.room(stream)
        ):
            line.windows.spend(stream, size)
            line.outgoing.add(message_in_a_frame(stream.stream_id, message))
        else:
            await self._write_in_parts(message)

    def pump(self) -> None:
        """Sends of the message under way what there is room for now."""
        self.is_starved = False
        writing, line = self._writing, self._line
        if writing is None:
            return
        if writing.send(self._stream, line.windows, line.outgoing):
            self._written(writing)
        elif not line.has_room:
            line.starve(self)

    def end(self, ending: Headers) -> None:
        """Behind what is being written, which is not waited for longer than LINGER_S. The first end counts."""
        if self.is_settled:
            return
        self._ending = ending
        if self._writing is None:
            self._send_ending(ending)
        else:
            loop = asyncio.get_running_loop()
            self._lingering = loop.call_later(LINGER_S, self._break_off)

    def lose(self) -> None:
        """The caller has gone, or does not want it any more."""
        if self.is_over:
            return
        self.is_over = True
        if self._lingering is not None:
            self._lingering.cancel()
        if self._writing is not None:
            self._writing.done.set()
            self._writing = None
        self._over()

    async def _write_in_parts(self, message: bytes) -> None:
        while self._writing is not None:
            await self._writing.done.wait()
        if self.is_settled:
            raise Gone
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
            self._send_ending(self._ending)

    def _send_ending(self, ending: Headers) -> None:
        headers = ending if self.has_begun else OPENING + ending
        self._line.send_headers(self._stream.stream_id, headers, ends=True)
        self.lose()

    def _break_off(self) -> None:
        self._line.break_off(self._stream.stream_id, ErrorCodes.CANCEL)
        self.lose()
