"""Flow control is exact: h2 on the other side, which ends the connection for a byte too many, never does, and both sides' accounts agree."""

from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from reno.server.http2.frames import (
    LEAST_MAX_FRAME_BYTES,
    WINDOW_UPDATE,
    message_in_a_frame,
    read_increment,
)
from reno.server.http2.incoming import Control, Incoming
from reno.server.http2.limits import Limits
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.streams import Streams
from reno.server.http2.windows import MAX_WINDOW_BYTES, Windows
from reno.server.http2.writing import Writing

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "x")]
STREAMS = (1, 3)
LIMITS = Limits(65_536, 16_384, 100, 600, 30, 10)

# What happens: a message is sent on a stream, a part of what arrived is read, the peer's first window is changed, or all that was said arrives.
SENDING = st.tuples(st.just("send"), st.sampled_from(STREAMS), st.integers(0, 20_000))
READING = st.tuples(st.just("read"), st.sampled_from(STREAMS), st.integers(1, 20_000))
SETTING = st.tuples(st.just("window"), st.just(0), st.integers(0, 100_000))
STEPS = st.lists(st.one_of(SENDING, READING, SETTING), max_size=30)


class Sink:
    """Of the frames."""

    is_open = True

    def __init__(self) -> None:
        self.sent = bytearray()

    def add(self, part: bytes | memoryview) -> None:
        self.sent += part


class Both:
    """The server's side as the connection keeps it, and h2 as a client."""

    def __init__(self) -> None:
        self.client = H2Connection(H2Configuration(client_side=True))
        self.streams = Streams(LIMITS)
        self.windows = Windows(self.streams)
        self.incoming = Incoming()
        self.unread = dict.fromkeys(STREAMS, 0)
        self.writing: dict[int, Writing] = {}
        self.client.initiate_connection()
        self.streams.initiate_connection()
        for stream_id in STREAMS:
            self.client.send_headers(stream_id, REQUEST, end_stream=True)
        self.to_server()
        for stream_id in STREAMS:
            self.streams.send_headers(stream_id, [(b":status", b"200")])
        self.to_client(self.streams.data_to_send())
        self.to_server()

    def to_server(self) -> None:
        for piece in self.incoming.cut(self.client.data_to_send()):
            if not isinstance(piece, Control):
                self.streams.receive_data(piece)
            elif piece.kind == WINDOW_UPDATE:
                assert self.windows.widen(piece.stream_id, read_increment(piece.payload))
        self.to_client(self.streams.data_to_send())

    def to_client(self, data: bytes) -> None:
        self.client.receive_data(data)

    def send(self, stream_id: int, size: int) -> None:
        """A whole message in a frame where there is room, as calls do; else in parts, as far as it gets."""
        stream, sink = self.streams.streams[stream_id], Sink()
        writing = self.writing.pop(stream_id, None)
        if writing is None and size + 5 <= min(self.windows.room(stream), LEAST_MAX_FRAME_BYTES):
            self.windows.spend(stream, size + 5)
            sink.add(message_in_a_frame(stream_id, b"x" * size))
        else:
            writing = writing or Writing(b"x" * size)
            if not writing.send(stream, self.windows, cast(Outgoing, sink)):
                self.writing[stream_id] = writing
        before = self.client.inbound_flow_control_window
        self.to_client(bytes(sink.sent))
        self.unread[stream_id] += before - self.client.inbound_flow_control_window

    def read(self, stream_id: int, size: int) -> None:
        size = min(size, self.unread[stream_id])
        self.unread[stream_id] -= size
        self.client.acknowledge_received_data(size, stream_id)

    def agree(self) -> None:
        for stream_id in STREAMS:
            stream = self.streams.streams[stream_id]
            client = self.client.streams[stream_id]
            assert stream.outbound_flow_control_window == client.inbound_flow_control_window
        ours = self.streams.outbound_flow_control_window
        assert ours == self.client.inbound_flow_control_window


@given(STEPS)
def test_both_sides_count_alike(steps: list[tuple[str, int, int]]) -> None:
    both = Both()
    for what, stream_id, size in steps:
        if what == "send":
            both.send(stream_id, size)
        elif what == "read":
            both.read(stream_id, size)
        else:
            both.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        both.to_server()
        both.agree()


def test_what_is_no_plain_update_is_left_to_h2() -> None:
    both = Both()
    stream = both.streams.streams[1]
    before = stream.outbound_flow_control_window
    assert not both.windows.widen(1, 0)
    assert not both.windows.widen(1, MAX_WINDOW_BYTES)
    assert not both.windows.widen(99, 10)
    assert stream.outbound_flow_control_window == before
