"""However the bytes are split on their way: everyday control frames come out whole, all else reaches h2 as it came."""

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from reno.server.http2.incoming import Control, Incoming

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def window_update(stream_id: int) -> bytes:
    return WindowUpdateFrame(stream_id, window_increment=stream_id + 1).serialize()


def continued(stream_id: int) -> bytes:
    # A WINDOW_UPDATE between the frames of a header block is an error, and h2's to find.
    end = ContinuationFrame(stream_id, b"y" * 20, flags=["END_HEADERS"])
    return (
        HeadersFrame(stream_id, b"x" * 30).serialize() + window_update(stream_id) + end.serialize()
    )


def whole(frame: Frame) -> bytes:
    return frame.serialize()


EVERYDAY = st.one_of(
    st.integers(0, 9).map(window_update),
    st.binary(min_size=8, max_size=8).map(lambda data: whole(PingFrame(opaque_data=data))),
    st.binary(max_size=40).map(
        lambda why: whole(GoAwayFrame(last_stream_id=1, additional_data=why))
    ),
)
OTHERS = st.one_of(
    st.integers(1, 9).map(continued),
    st.binary(max_size=100).map(lambda data: whole(DataFrame(3, data))),
    st.just(whole(RstStreamFrame(5))),
    st.just(whole(HeadersFrame(7, b"z" * 10, flags=["END_HEADERS"]))),
    # A WINDOW_UPDATE that is too long, and a PING of a stream.
    st.just(b"\0\0\5\x08\0\0\0\0\0hello"),
    st.just(b"\0\0\x08\6\0\0\0\0\1" + b"12345678"),
)
FRAMES = st.lists(
    st.one_of(EVERYDAY.map(lambda one: (True, one)), OTHERS.map(lambda one: (False, one)))
)


@given(FRAMES, st.lists(st.integers(1, 60)))
def test_nothing_is_lost_and_all_stays_in_order(
    sent: list[tuple[bool, bytes]], sizes: list[int]
) -> None:
    stream = PREFACE + b"".join(frame for _, frame in sent)
    incoming, found, at = Incoming(), [], 0
    for size in [*sizes, len(stream)]:
        found += list(incoming.cut(stream[at : at + size]))
        at += size
    assert b"".join(one.whole if isinstance(one, Control) else one for one in found) == stream
    controls = [one.whole for one in found if isinstance(one, Control)]
    assert controls == [frame for is_everyday, frame in sent if is_everyday]


def test_what_a_control_frame_says() -> None:
    incoming = Incoming()
    assert list(incoming.cut(PREFACE)) == [PREFACE]
    (found,) = incoming.cut(whole(PingFrame(opaque_data=b"12345678", flags=["ACK"])))
    assert isinstance(found, Control)
    assert (found.kind, found.flags, found.stream_id, found.payload) == (6, 1, 0, b"12345678")
