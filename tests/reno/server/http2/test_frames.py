"""What is packed by hand is what hyperframe reads."""

from hyperframe.frame import DataFrame, Frame, GoAwayFrame, PingFrame
from hypothesis import given
from hypothesis import strategies as st

from reno.server.http2 import frames

STREAM_IDS = st.integers(1, 2**31 - 1)


def read(packed: bytes) -> Frame:
    frame, length = Frame.parse_frame_header(memoryview(packed[:9]))
    assert length == len(packed) - 9
    frame.parse_body(memoryview(packed[9:]))
    return frame


@given(STREAM_IDS, st.binary(max_size=300))
def test_a_message_in_a_frame(stream_id: int, message: bytes) -> None:
    frame = read(frames.message_in_a_frame(stream_id, message))
    assert isinstance(frame, DataFrame)
    assert (frame.stream_id, set(frame.flags)) == (stream_id, set())
    assert frame.data == b"\0" + len(message).to_bytes(4, "big") + message
    assert frame.data == frames.prefixed(message)


@given(STREAM_IDS, st.integers(0, 2**24 - 1))
def test_the_head_of_a_part(stream_id: int, length: int) -> None:
    frame, read_length = Frame.parse_frame_header(memoryview(frames.data_head(stream_id, length)))
    assert (frame.stream_id, read_length) == (stream_id, length)
    assert frames.read_head(frames.data_head(stream_id, length), 0) == (length, 0, 0, stream_id)


def test_ping_and_goaway() -> None:
    asked, answered = (read(frames.ping(b"12345678", ack=ack)) for ack in (False, True))
    assert isinstance(asked, PingFrame)
    assert isinstance(answered, PingFrame)
    assert (asked.opaque_data, set(asked.flags)) == (b"12345678", set())
    assert (answered.opaque_data, set(answered.flags)) == (b"12345678", {"ACK"})
    left = read(frames.goaway(7, 11))
    assert isinstance(left, GoAwayFrame)
    assert (left.last_stream_id, left.error_code) == (7, 11)
