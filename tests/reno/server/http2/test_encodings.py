"""Small encodings of gRPC over HTTP/2: timeouts, metadata, trailers, messages."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.server.http2.deadline import seconds_of
from reno.server.http2.frames import prefixed
from reno.server.http2.messages import Compressed, Messages, TooLarge
from reno.server.http2.metadata import from_headers, to_headers
from reno.server.http2.reset_bound import ResetBound
from reno.server.http2.trailers import percent_encoded, trailers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("3S", 3),
        ("250m", 0.25),
        ("5u", 5e-6),
        ("99999999n", 0.099999999),
    ],
)
def test_timeouts(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", "٣S", "1S "])
def test_no_timeouts(text: str) -> None:
    with pytest.raises(ValueError, match="grpc-timeout"):
        seconds_of(text)


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@given(
    st.lists(st.one_of(st.tuples(st.just("a"), VISIBLE), st.tuples(st.just("a-bin"), st.binary())))
)
def test_metadata_comes_back(metadata: list[tuple[str, str | bytes]]) -> None:
    headers = to_headers(metadata)
    assert not any(value.endswith(b"=") for name, value in headers if name == b"a-bin")
    assert list(from_headers(headers)) == metadata


@given(st.text())
def test_a_message_is_visible_ascii_on_its_way(message: str) -> None:
    encoded = percent_encoded(message)
    assert all(0x20 <= byte < 0x7F for byte in encoded)
    assert unquote_to_bytes(encoded) == message.encode("utf-8", "replace")


def test_trailers() -> None:
    assert trailers(0, "") == [(b"grpc-status", b"0")]
    assert trailers(5, "50 % ä", [("grpc-status-details-bin", b"\xff\xfe")]) == [
        (b"grpc-status", b"5"),
        (b"grpc-message", b"50 %25 %C3%A4"),
        (b"grpc-status-details-bin", b"//4"),
    ]


@given(st.lists(st.binary(max_size=30), max_size=5), st.integers(1, 9))
def test_messages_come_whole(sent: list[bytes], step: int) -> None:
    stream = b"".join(prefixed(message) for message in sent)
    messages, found = Messages(30), []
    for at in range(0, len(stream), step):
        found += messages.add(stream[at : at + step])
    assert found == sent
    assert not messages.is_partial


def test_what_is_no_message() -> None:
    with pytest.raises(Compressed):
        Messages(30).add(b"\1\0\0\0\1x")
    with pytest.raises(TooLarge, match=r"larger than max \(31 vs. 30\)"):
        Messages(30).add(b"\0\0\0\0\x1f")
    partial = Messages(30)
    assert partial.add(b"\0\0\0\0\x02a") == []
    assert partial.is_partial


def test_bounded_resets() -> None:
    bound = ResetBound(10)
    assert all(bound.allows(100.0) for _ in range(10))
    assert not bound.allows(100.0)
    steady = ResetBound(10)
    assert all(steady.allows(100 + 0.1 * n) for n in range(1000))
