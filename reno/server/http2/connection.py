"""One connection: what comes in goes to h2 and to its calls; when it is kept, drained and left."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from reno.server.http2.admission import Admitted, admit
from reno.server.http2.call import Call
from reno.server.http2.ended import Ended
from reno.server.http2.frames import ACK, PING, WINDOW_UPDATE, read_increment
from reno.server.http2.incoming import Control, Incoming
from reno.server.http2.limits import CLOSE_S, MAX_EARLY_RESETS_PER_S, Limits
from reno.server.http2.line import Line
from reno.server.http2.method import Method
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.pulse import Pulse
from reno.server.http2.request import Malformed, check_trailers
from reno.server.http2.reset_bound import ResetBound
from reno.server.http2.streams import Streams

_log = structlog.get_logger("reno.server")

_PING = b"reno-srv"


class Connection(asyncio.BufferedProtocol):
    """From when it is made until it is lost, it is in `held`."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits,
        buffer: memoryview,
        held: set["Connection"],
    ) -> None:
        """`buffer`: what is read goes through it, at once; all connections may share one."""
        self._methods = methods
        self._limits = limits
        self._buffer = buffer
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._streams = Streams(limits)
        self._incoming = Incoming()
        self._calls: dict[int, Call] = {}
        self._resets = ResetBound(MAX_EARLY_RESETS_PER_S)
        self._last_stream_id: int | None = None
        """While it drains: later ones are refused."""
        self._idle: asyncio.TimerHandle | None = None

    # The transport's.

    def connection_made(self, transport: Any) -> None:
        """Says its settings."""
        self._transport: asyncio.Transport = transport
        # One that has gone already has no name.
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._peer = f"ipv4:{host}:{port}"
        self._line = Line(self._streams, Outgoing(transport))
        limits = self._limits
        self._pulse = Pulse(
            limits.keepalive_s, limits.keepalive_timeout_s, self._ask, transport.abort
        )
        self._held.add(self)
        self._streams.begin()
        self._line.say()
        self._be_idle()

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._pulse.has_heard = True
        try:
            for piece in self._incoming.cut(bytes(self._buffer[:nbytes])):
                if self._line.has_ended:
                    return
                if isinstance(piece, Control):
                    self._control(piece)
                else:
                    self._judge(piece)
        except ProtocolError as error:
            _log.debug("a connection breaks the rules", peer=self._peer, why=str(error))
            self._leave()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._line.outgoing.is_open = False

    def resume_writing(self) -> None:
        """It has read."""
        self._line.outgoing.is_open = True
        self._line.feed()

    def connection_lost(self, exc: Exception | None) -> None:
        """However it ended."""
        self._line.has_ended = True
        self._pulse.stop()
        self._be_busy()
        self._lose_calls()
        self._held.discard(self)

    # The server's.

    def drain(self) -> None:
        """Takes no more calls; ends with the last one that it has."""
        if self._last_stream_id is None and not self._line.has_ended:
            self._last_stream_id = self._line.goaway(ErrorCodes.NO_ERROR)
            if not self._calls:
                self._end()

    def end_calls(self, ended: Ended) -> None:
        """All that there are."""
        for call in list(self._calls.values()):
            call.refuse(ended)

    def abort(self) -> None:
        """Now."""
        self._transport.abort()

    # What comes in.

    def _control(self, frame: Control) -> None:
        if frame.kind == WINDOW_UPDATE:
            if self._line.windows.widen(frame.stream_id, read_increment(frame.payload)):
                self._widened(frame.stream_id)
            else:
                self._judge(frame.whole)
        elif frame.kind == PING and not frame.flags & ACK:
            self._line.ping(frame.payload, ack=True)
        # GOAWAY: the peer opens no more calls and closes after the last one.
        # h2 would not let us end those that there are.

    def _judge(self, data: bytes) -> None:
        try:
            events = self._streams.receive_data(data)
            # Settings are acknowledged before anything is sent that they allow.
            self._line.say()
            for event in events:
                if not self._line.has_ended:
                    self._handle(event)
        finally:
            self._line.say()

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._receive(event)
        elif isinstance(event, StreamEnded):
            if call := self._calls.get(event.stream_id):
                call.received_all()
        elif isinstance(event, TrailersReceived):
            try:
                check_trailers(event.headers)
            except Malformed:
                self._break_off(event.stream_id)
        elif isinstance(event, StreamReset):
            self._was_reset(event.stream_id)
        elif isinstance(event, WindowUpdated):
            self._widened(event.stream_id)
        elif (
            isinstance(event, RemoteSettingsChanged)
            and SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings
        ):
            for call in list(self._calls.values()):
                call.answer.pump()

    def _begin(self, event: RequestReceived) -> None:
        stream_id, limits = event.stream_id, self._limits
        if not self._streams.is_open(stream_id):
            return
        is_late = self._last_stream_id is not None and stream_id > self._last_stream_id
        if is_late or len(self._calls) >= limits.max_concurrent_streams:
            self._line.break_off(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        try:
            found = admit(event.headers, self._methods, limits)
        except Malformed:
            self._break_off(stream_id)
            return
        if not isinstance(found, Admitted):
            self._line.send_headers(stream_id, found, ends=True)
            return
        self._be_busy()
        self._calls[stream_id] = Call(
            self._line,
            self._streams.streams[stream_id],
            found.method,
            found.request,
            limits.max_receive_bytes,
            self._peer,
            self._settled,
        )

    def _receive(self, event: DataReceived) -> None:
        call, size = self._calls.get(event.stream_id), event.flow_controlled_length
        if call is None:
            self._line.taken(event.stream_id, size)
        else:
            call.receive(event.data)
            # Padding.
            self._line.taken(event.stream_id, size - len(event.data))

    def _was_reset(self, stream_id: int) -> None:
        self._streams.forget(stream_id)
        call = self._calls.get(stream_id)
        is_early = call is None or not call.answer.has_begun
        if call is not None:
            call.lose()
        if is_early and not self._resets.allows(self._loop.time()):
            _log.warning("a peer cancels calls too quickly", peer=self._peer)
            self._line.goaway(ErrorCodes.ENHANCE_YOUR_CALM)
            self._leave()

    def _break_off(self, stream_id: int) -> None:
        self._line.break_off(stream_id, ErrorCodes.PROTOCOL_ERROR)
        if call := self._calls.get(stream_id):
            call.lose()

    def _widened(self, stream_id: int) -> None:
        if not stream_id:
            self._line.feed()
        elif call := self._calls.get(stream_id):
            call.answer.pump()

    # How long it is kept.

    def _settled(self, call: Call) -> None:
        self._calls.pop(call.stream_id, None)
        if not self._calls and not self._line.has_ended:
            self._be_idle()
            if self._last_stream_id is not None:
                self._end()

    def _be_idle(self) -> None:
        self._be_busy()
        self._idle = self._loop.call_later(self._limits.max_connection_idle_s, self.drain)

    def _be_busy(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _ask(self) -> None:
        self._line.ping(_PING, ack=False)

    def _leave(self) -> None:
        """With every call; why is said."""
        self._end()
        self._lose_calls()

    def _end(self) -> None:
        self._pulse.stop()
        self._line.end()
        self._loop.call_later(CLOSE_S, self._transport.abort)

    def _lose_calls(self) -> None:
        for call in list(self._calls.values()):
            call.lose()
