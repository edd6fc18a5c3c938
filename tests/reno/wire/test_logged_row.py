"""Rows as the door joins them are what protobuf would have written."""

from hypothesis import given
from hypothesis import strategies as st

from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event
from reno.wire.envelope import seal_envelope
from reno.wire.logged_row import log_row, logged_row

_times = st.integers(-(1 << 63), (1 << 63) - 1)


@given(_times, _times, st.binary(max_size=3000))
def test_a_joined_row_is_the_message(
    push_until_ms: int, expires_at_ms: int, payload: bytes
) -> None:
    event = Event(id="e-1", member_id="anna", payload=payload)
    resolved = Row(tenant="t", store_only=True, merges=True)
    logged = log_row(
        b"t\0anna",
        b"twelve bytes",
        7,
        push_until_ms,
        expires_at_ms,
        True,
        "",
        resolved.SerializeToString(),
        event.SerializeToString(),
    )
    assert logged[1:-1] == (b"t\0anna", b"twelve bytes", 7, expires_at_ms, True, "")
    assert Row.FromString(logged.row) == Row(
        push_until_ms=push_until_ms,
        expires_at_ms=expires_at_ms,
        event=event,
        tenant="t",
        store_only=True,
        merges=True,
    )


@given(st.binary(max_size=3000), st.integers(1, 130), st.integers(0, (1 << 64) - 1), st.booleans())
def test_bounded_no_row_takes_more_of_an_envelope_than_its_size(
    content: bytes, key_bytes: int, window_ms: int, is_special: bool
) -> None:
    traceparent = f"00-{'1' * 32}-{'2' * 16}-01" if is_special else ""
    row = logged_row(
        content, b"k" * key_bytes, bytes(12), window_ms, 1 << 50, is_special, traceparent
    )
    plain = logged_row(b"", b"", bytes(12), 0, 0, False, "")
    # As the last of many: its index takes most room there.
    before = seal_envelope(bytes(16), [plain] * 200)
    assert len(seal_envelope(bytes(16), [plain] * 200 + [row])) - len(before) <= row.size_bytes + 24
