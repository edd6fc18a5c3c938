"""One connection: what comes in goes to h2 and to its calls, what goes out is joined."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import grpc
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

from reno.server.http2.call import Call
from reno.server.http2.ended import Ended
from reno.server.http2.frames import ACK, PING, WINDOW_UPDATE, goaway, ping, read_increment
from reno.server.http2.incoming import Control, Incoming
from reno.server.http2.limits import CLOSE_S, MAX_EARLY_RESETS_PER_S, Limits
from reno.server.http2.metadata import Headers
from reno.server.http2.method import Method
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.pulse import Pulse
from reno.server.http2.request import Malformed, check_trailers, request_of
from reno.server.http2.reset_bound import ResetBound
from reno.server.http2.streams import Streams
from reno.server.http2.trailers import OPENING, plain_answer
from reno.server.http2.windows import Windows

_log = structlog.get_logger("reno.server")

_PING = b"reno-srv"


class Connection(asyncio.BufferedProtocol):
    """See reno.server.http2.call.Carrier for what its calls use of it."""

    peer: str
    outgoing: Outgoing
    windows: Windows

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits,
        buffer: memoryview,
        held: set["Connection"],
    ) -> None:
        """`buffer`: what is read goes through it, at once; all connections may share one. `held`: it is in there as long as it lives."""
        self._methods = methods
        self._limits = limits
        self._buffer = buffer
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._streams = Streams(limits)
        self._incoming = Incoming()
        self._calls: dict[int, Call] = {}
        self._starved: deque[Call] = deque()
        self._resets = ResetBound(MAX_EARLY_RESETS_PER_S)
        self._last_stream_id: int | None = None
        """While it drains: later ones are refused."""
        self._is_ending = False
        self._idle: asyncio.TimerHandle | None = None

    # The transport's.

    def connection_made(self, transport: Any) -> None:
        """Says its settings."""
        self._transport: asyncio.Transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        self.peer = f"ipv4:{host}:{port}"
        self.outgoing = Outgoing(transport)
        self.windows = Windows(self._streams)
        limits = self._limits
        self._pulse = Pulse(
            limits.keepalive_s, limits.keepalive_timeout_s, self._ask, transport.abort
        )
        self._held.add(self)
        self._streams.initiate_connection()
        self._say()
        self._be_idle()

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._pulse.has_heard = True
        try:
            for piece in self._incoming.cut(bytes(self._buffer[:nbytes])):
                if self._is_ending:
                    return
                if isinstance(piece, Control):
                    self._control(piece)
                else:
                    self._judge(piece)
        except ProtocolError as error:
            _log.debug("a connection breaks the rules", peer=self.peer, why=str(error))
            self._leave()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.outgoing.is_open = False

    def resume_writing(self) -> None:
        """It has read."""
        self.outgoing.is_open = True
        self._feed()

    def connection_lost(self, exc: Exception | None) -> None:
        """However it ended."""
        self._is_ending = True
        self._pulse.stop()
        self._busy()
        self._starved.clear()
        for call in list(self._calls.values()):
            call.lost()
        self._held.discard(self)

    # The server's.

    def drain(self) -> None:
        """Takes no more calls; ends with the last one that it has."""
        if self._last_stream_id is None and not self._is_ending:
            self._last_stream_id = self._streams.highest_inbound_stream_id
            self.outgoing.add(goaway(self._last_stream_id, ErrorCodes.NO_ERROR))
            if not self._calls:
                self._end()

    def end_calls(self, ended: Ended) -> None:
        """All that there are."""
        for call in list(self._calls.values()):
            call.refuse(ended)

    def abort(self) -> None:
        """Now."""
        self._transport.abort()

    # Calls'.

    def starve(self, call: Call) -> None:
        """See Carrier."""
        if not call.is_starved:
            call.is_starved = True
            self._starved.append(call)

    def send_headers(self, call: Call, headers: Headers, *, ends: bool) -> None:
        """See Carrier."""
        self._send_headers(call.stream.stream_id, headers, ends=ends)

    def reset(self, call: Call) -> None:
        """See Carrier."""
        self._break_off(call.stream.stream_id, ErrorCodes.CANCEL)

    def taken(self, stream_id: int, size: int) -> None:
        """See Carrier."""
        if size and not self._is_ending:
            self._streams.acknowledge_received_data(size, stream_id)
            self._say()

    def settled(self, call: Call) -> None:
        """See Carrier."""
        self._calls.pop(call.stream.stream_id, None)
        if not self._calls and not self._is_ending:
            self._be_idle()
            if self._last_stream_id is not None:
                self._end()

    # What comes in.

    def _control(self, frame: Control) -> None:
        if frame.kind == WINDOW_UPDATE:
            if self.windows.widen(frame.stream_id, read_increment(frame.payload)):
                self._widened(frame.stream_id)
            else:
                self._judge(frame.whole)
        elif frame.kind == PING and not frame.flags & ACK:
            self.outgoing.add(ping(frame.payload, ack=True))
        # GOAWAY: the peer opens no more calls and closes after the last one.
        # h2 would not let us end those that there are.

    def _judge(self, data: bytes) -> None:
        try:
            for event in self._streams.receive_data(data):
                self._handle(event)
        finally:
            self._say()

    def _handle(self, event: Event) -> None:
        if self._is_ending:
            return
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
                self._malformed(event.stream_id)
        elif isinstance(event, StreamReset):
            self._was_reset(event.stream_id)
        elif isinstance(event, WindowUpdated):
            self._widened(event.stream_id)
        elif (
            isinstance(event, RemoteSettingsChanged)
            and SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings
        ):
            for call in list(self._calls.values()):
                call.pump()

    def _begin(self, event: RequestReceived) -> None:
        stream_id = event.stream_id
        if not self._streams.is_open(stream_id):
            return
        is_late = self._last_stream_id is not None and stream_id > self._last_stream_id
        if is_late or len(self._calls) >= self._limits.max_concurrent_streams:
            self._break_off(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        try:
            request = request_of(event.headers)
        except Malformed:
            self._malformed(stream_id)
            return
        if request.method != b"POST" or not request.is_grpc:
            answer = plain_answer(415 if request.method == b"POST" else 405)
            self._send_headers(stream_id, answer, ends=True)
        elif request.metadata_bytes > self._limits.hard_metadata_bytes:
            why = f"received metadata size exceeds hard limit ({request.metadata_bytes} vs. {self._limits.hard_metadata_bytes})"
            self._refuse(stream_id, Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, why))
        elif (method := self._methods.get(request.path)) is None:
            self._refuse(stream_id, Ended(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"))
        else:
            self._busy()
            stream = self._streams.streams[stream_id]
            self._calls[stream_id] = Call(
                self, stream, method, request, self._limits.max_receive_bytes
            )

    def _receive(self, event: DataReceived) -> None:
        call, size = self._calls.get(event.stream_id), event.flow_controlled_length
        if call is None:
            self.taken(event.stream_id, size)
        else:
            call.receive(event.data)
            self.taken(event.stream_id, size - len(event.data))

    def _was_reset(self, stream_id: int) -> None:
        self._streams.forget(stream_id)
        call = self._calls.get(stream_id)
        has_answered = call is not None and call.has_answered
        if call is not None:
            call.lost()
        if not has_answered and not self._resets.allows(self._loop.time()):
            _log.warning("a peer cancels calls too quickly", peer=self.peer)
            self.outgoing.add(
                goaway(self._streams.highest_inbound_stream_id, ErrorCodes.ENHANCE_YOUR_CALM)
            )
            self._leave()

    def _malformed(self, stream_id: int) -> None:
        self._break_off(stream_id, ErrorCodes.PROTOCOL_ERROR)
        if call := self._calls.get(stream_id):
            call.lost()

    # What goes out.

    def _widened(self, stream_id: int) -> None:
        if not stream_id:
            self._feed()
        elif call := self._calls.get(stream_id):
            call.pump()

    def _feed(self) -> None:
        while self._starved and self.outgoing.is_open and self.windows.is_open:
            self._starved.popleft().pump()

    def _say(self) -> None:
        if said := self._streams.data_to_send():
            self.outgoing.add(said)

    def _send_headers(self, stream_id: int, headers: Headers, *, ends: bool) -> None:
        if self._is_ending or not self._streams.is_open(stream_id):
            return
        self._streams.send_headers(stream_id, headers, end_stream=ends)
        if ends:
            self._streams.break_off(stream_id, ErrorCodes.NO_ERROR)
        self._say()

    def _refuse(self, stream_id: int, ended: Ended) -> None:
        self._send_headers(stream_id, OPENING + ended.trailers(), ends=True)

    def _break_off(self, stream_id: int, error_code: ErrorCodes) -> None:
        if not self._is_ending:
            self._streams.break_off(stream_id, error_code)
            self._say()

    # The end.

    def _leave(self) -> None:
        """With every call; why is said."""
        self._end()
        for call in list(self._calls.values()):
            call.lost()

    def _end(self) -> None:
        self._is_ending = True
        self._pulse.stop()
        self.outgoing.end()
        self._loop.call_later(CLOSE_S, self._transport.abort)

    def _ask(self) -> None:
        self.outgoing.add(ping(_PING, ack=False))

    def _be_idle(self) -> None:
        self._busy()
        self._idle = self._loop.call_later(self._limits.max_connection_idle_s, self.drain)

    def _busy(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
